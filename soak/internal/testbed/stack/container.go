package stack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// askWithin bounds a question to the engine, which answers in milliseconds.
const askWithin = 10 * time.Second

// logBytes bounds what is read of a container's log: a day of a streamer that
// has something to say each second is a quarter of it.
const logBytes = 64 << 20

// Container is one container of the stack.
type Container struct {
	engine  *testcontainers.DockerClient
	name    string
	id      string
	exited  chan struct{}
	code    int // both set before exited is closed
	lostErr error
	usage   usageFeed
}

// follow waits for the container's end in the background, until then.
func follow(engine *testcontainers.DockerClient, name, id string) *Container {
	c := &Container{engine: engine, name: name, id: id, exited: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	c.usage.first = make(chan struct{})
	go c.watchUsage(ctx) // ends with the container
	// It ends with the container, or with the engine's answer that it is gone.
	waiting := engine.ContainerWait(context.Background(), id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	go func() {
		defer close(c.exited)
		defer cancel()
		select {
		case end := <-waiting.Result:
			c.code = int(end.StatusCode)
		case c.lostErr = <-waiting.Error:
			c.code = -1
		}
	}()
	return c
}

// Follow finds a container that runs, by its name, whoever started it.
func Follow(ctx context.Context, name string) (*Container, error) {
	engine, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return nil, fmt.Errorf("reach Docker Engine: %w", err)
	}
	found, err := engine.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("look for container %s: %w", name, err)
	}
	return follow(engine, name, found.Container.ID), nil
}

// Name is the service.
func (c *Container) Name() string { return c.name }

// Exited is closed when the container has stopped.
func (c *Container) Exited() <-chan struct{} { return c.exited }

// Code is its exit status, 137 when it was killed; only valid once Exited is
// closed. The error is for a container that was lost sight of.
func (c *Container) Code() (int, error) { return c.code, c.lostErr }

// Stop sends SIGTERM, and SIGKILL when the container is still there after
// within, and waits for its end.
func (c *Container) Stop(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within+askWithin)
	defer cancel()
	seconds := int(within.Seconds())
	if _, err := c.engine.ContainerStop(ctx, c.id, client.ContainerStopOptions{Timeout: &seconds}); err != nil {
		return fmt.Errorf("stop %s: %w", c.name, err)
	}
	return c.await(ctx)
}

// Kill sends SIGKILL and waits for the end. A container that has ended is fine.
func (c *Container) Kill() error {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	select {
	case <-c.exited:
		return nil
	default:
	}
	if _, err := c.engine.ContainerKill(ctx, c.id, client.ContainerKillOptions{Signal: "KILL"}); err != nil {
		return fmt.Errorf("kill %s: %w", c.name, err)
	}
	return c.await(ctx)
}

func (c *Container) await(ctx context.Context) error {
	select {
	case <-c.exited:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of %s: %w", c.name, ctx.Err())
	}
}

// Pause freezes the container: it keeps its memory and connections and does
// nothing. Resume lets it go on.
func (c *Container) Pause() error {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	_, err := c.engine.ContainerPause(ctx, c.id, client.ContainerPauseOptions{})
	return err
}

// Resume undoes Pause.
func (c *Container) Resume() error {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	_, err := c.engine.ContainerUnpause(ctx, c.id, client.ContainerUnpauseOptions{})
	return err
}

// WriteLog writes what the container has printed, from its beginning.
func (c *Container) WriteLog(w io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	log, err := c.engine.ContainerLogs(ctx, c.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		return fmt.Errorf("read the log of %s: %w", c.name, err)
	}
	defer log.Close()
	_, err = stdcopy.StdCopy(w, w, io.LimitReader(log, logBytes))
	return err
}

// Tail returns the last lines that it printed.
func (c *Container) Tail(lines int) []string {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	log, err := c.engine.ContainerLogs(ctx, c.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: fmt.Sprint(lines)})
	if err != nil {
		return nil // there is nothing to show, and what failed is told already
	}
	defer log.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, io.LimitReader(log, logBytes)); err != nil || text.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimSpace(text.String()), "\n")
}

// Image says what the container was made from: the image's name, its version
// by its label, and its hash.
func (s *Stack) Image(ctx context.Context, name string) (version, hash string, err error) {
	found, err := s.engine.ImageInspect(ctx, name)
	if err != nil {
		return "", "", fmt.Errorf("look at image %s: %w; make images builds ours", name, err)
	}
	if found.Config != nil {
		version = found.Config.Labels["org.opencontainers.image.version"]
	}
	return version, strings.TrimPrefix(found.ID, "sha256:"), nil
}
