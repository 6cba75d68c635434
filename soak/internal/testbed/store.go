package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"steadfeed/soak/internal/testbed/stack"
)

// Store is where a subject writes to: a Kafka with its schema registry.
type Store interface {
	Brokers() []string // as this machine sees them
	RegistryURL() string
}

// openStore starts Kafka and the registry, and opens the exchange's listener
// where the subject can reach it; nil is the exchange's own choice.
func (b *Testbed) openStore(ctx context.Context) (net.Listener, error) {
	if b.virtual != nil {
		return b.openVirtual()
	}
	if b.plan.Containers == nil {
		log, err := b.openLog("kafka.log")
		if err != nil {
			return nil, err
		}
		b.backend, err = NewBackend(BackendOptions{Log: log})
		b.Store = b.backend
		return nil, err
	}
	images := map[string]string{}
	for variable, image := range map[string]string{"KAFKA_IMAGE": b.plan.Containers.KafkaImage, "REGISTRY_IMAGE": b.plan.Containers.RegistryImage} {
		if image != "" {
			images[variable] = image
		}
	}
	up, err := stack.Up(ctx, stack.Options{
		Project: b.plan.Containers.Project, File: b.plan.Containers.Compose, Brokers: b.plan.Containers.Brokers,
		Environment: images, Port: freePort,
	})
	if err != nil {
		return nil, err
	}
	b.stack, b.Store = up, up
	if err := warmUp(ctx, up.Brokers()); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(b.dir, certsDir), 0o755); err != nil {
		return nil, fmt.Errorf("make the directory that the subject sees: %w", err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(up.Gateway(), "0"))
	if err != nil {
		return nil, fmt.Errorf("open the exchange on the containers' gateway: %w; the engine must run on this machine", err)
	}
	return listener, nil
}

// openVirtual is openStore in a network of this process.
func (b *Testbed) openVirtual() (net.Listener, error) {
	log, err := b.openLog("kafka.log")
	if err != nil {
		return nil, err
	}
	network := b.virtual.Network
	listen := func(_, address string) (net.Listener, error) { return network.Listen(address) }
	if b.memory, err = newMemory(log, listen, virtualKafka); err != nil {
		return nil, err
	}
	b.registryDoor = &door{name: "the registry", listener: listen}
	registry, err := b.registryDoor.listen("tcp", virtualRegistry)
	if err != nil {
		return nil, fmt.Errorf("start the registry: %w", err)
	}
	b.schemas = serveRegistry(registry)
	b.Store = virtualStore{b.memory}
	b.setTrap()
	return network.Listen(virtualExchange)
}

// virtualStore is Kafka and registry of a virtual run.
type virtualStore struct{ *Memory }

// RegistryURL implements Store.
func (virtualStore) RegistryURL() string { return "http://" + virtualRegistry }

// Memory is the Kafka in memory; nil when it is a real one.
func (b *Testbed) Memory() *Memory {
	switch {
	case b.memory != nil:
		return b.memory
	case b.backend != nil:
		return b.backend.Memory
	default:
		return nil
	}
}

// RegistryAway takes the registry of a virtual run off its network, with all that
// it knows, until back is called.
func (b *Testbed) RegistryAway() (back func() error, err error) {
	if b.registryDoor == nil {
		return nil, errors.New("the registry is not in memory")
	}
	return b.registryDoor.open, b.registryDoor.shut()
}

// Dial opens connections to the store, for those who do not care where it is;
// nil is as the system does.
func (b *Testbed) Dial() func(context.Context, string, string) (net.Conn, error) {
	if b.virtual == nil {
		return nil
	}
	return b.virtual.Network.Dial
}
