package stack

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// Again starts a container that has ended, as it was: with what it had written,
// the same name and the same ports.
func (c *Container) Again() (*Container, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	if _, err := c.engine.ContainerStart(ctx, c.id, client.ContainerStartOptions{}); err != nil {
		return nil, fmt.Errorf("start %s again: %w", c.name, err)
	}
	return follow(c.engine, c.name, c.id), nil
}

// CutOff takes the container off its networks, as pulling the plug does: its
// connections are not closed, nothing passes any more. restore puts it back,
// under the names that it had, perhaps with another address.
func (c *Container) CutOff() (restore func() error, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	found, err := c.engine.ContainerInspect(ctx, c.id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("look for the networks of %s: %w", c.name, err)
	}
	if found.Container.NetworkSettings == nil || len(found.Container.NetworkSettings.Networks) == 0 {
		return nil, fmt.Errorf("cut %s off: it has no network", c.name)
	}
	names := map[string][]string{} // of the container, by network
	restore = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), askWithin)
		defer cancel()
		var problems []error
		for id, aliases := range names {
			_, err := c.engine.NetworkConnect(ctx, id, client.NetworkConnectOptions{
				Container: c.id, EndpointConfig: &network.EndpointSettings{Aliases: aliases},
			})
			problems = append(problems, err)
		}
		if err := errors.Join(problems...); err != nil {
			return fmt.Errorf("connect %s again: %w", c.name, err)
		}
		return nil
	}
	for _, endpoint := range found.Container.NetworkSettings.Networks {
		if _, err := c.engine.NetworkDisconnect(ctx, endpoint.NetworkID, client.NetworkDisconnectOptions{Container: c.id, Force: true}); err != nil {
			return nil, errors.Join(fmt.Errorf("cut %s off: %w", c.name, err), restore())
		}
		names[endpoint.NetworkID] = endpoint.Aliases
	}
	return restore, nil
}

// Squeeze changes how many CPUs and how many bytes of memory the container may
// use; 0 leaves one of them as it is. restore gives back what it had.
func (c *Container) Squeeze(cpus float64, memory int64) (restore func() error, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	found, err := c.engine.ContainerInspect(ctx, c.id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("look for the limits of %s: %w", c.name, err)
	}
	had := found.Container.HostConfig.Resources
	if cpus > 0 && had.NanoCPUs == 0 || memory > 0 && had.Memory == 0 {
		return nil, fmt.Errorf("squeeze %s: it has %d of 10^9 of a CPU and %d bytes of memory: what has no limit has none to be given back", c.name, had.NanoCPUs, had.Memory)
	}
	less, before := container.Resources{}, container.Resources{}
	if cpus > 0 {
		less.NanoCPUs, before.NanoCPUs = int64(cpus*1e9), had.NanoCPUs
	}
	if memory > 0 {
		less.Memory, less.MemorySwap = memory, memory
		before.Memory, before.MemorySwap = had.Memory, had.MemorySwap
	}
	set := func(ctx context.Context, to container.Resources) error {
		if _, err := c.engine.ContainerUpdate(ctx, c.id, client.ContainerUpdateOptions{Resources: &to}); err != nil {
			return fmt.Errorf("give %s %d of 10^9 of a CPU and %d bytes of memory: %w", c.name, to.NanoCPUs, to.Memory, err)
		}
		return nil
	}
	if err := set(ctx, less); err != nil {
		return nil, err
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), askWithin)
		defer cancel()
		return set(ctx, before)
	}, nil
}

// Limits are what the engine holds the container to now.
func (c *Container) Limits(ctx context.Context) (cpus float64, memory int64, err error) {
	found, err := c.engine.ContainerInspect(ctx, c.id, client.ContainerInspectOptions{})
	if err != nil {
		return 0, 0, fmt.Errorf("look for the limits of %s: %w", c.name, err)
	}
	return float64(found.Container.HostConfig.NanoCPUs) / 1e9, found.Container.HostConfig.Memory, nil
}
