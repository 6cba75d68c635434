package testbed

import (
	"context"
	"errors"
	"fmt"

	"steadfeed/soak/internal/testbed/stack"
)

// ErrNotContained says that a part that trouble was meant for is no container.
var ErrNotContained = errors.New("it is in no container")

// SubjectContainer is the subject's, as it is now.
func (b *Testbed) SubjectContainer() (*stack.Container, error) {
	if contained, ok := b.Subject().(*Contained); ok {
		return contained.Container, nil
	}
	return nil, fmt.Errorf("the subject: %w", ErrNotContained)
}

// Part is the container of another service of the stack, such as "registry".
func (b *Testbed) Part(ctx context.Context, service string) (*stack.Container, error) {
	if b.stack == nil {
		return nil, fmt.Errorf("%s: %w", service, ErrNotContained)
	}
	return b.stack.Service(ctx, service)
}

// Broker is the container of one of Kafka's brokers, counted round and round.
func (b *Testbed) Broker(ctx context.Context, n int) (*stack.Container, error) {
	if b.stack == nil {
		return nil, fmt.Errorf("broker %d: %w", n, ErrNotContained)
	}
	services := b.stack.BrokerServices()
	return b.stack.Service(ctx, services[n%len(services)])
}
