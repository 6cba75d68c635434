// Package kafka is the cluster as the streamer sees it: a [Group] that says
// which partitions are ours, and an [Owner] for each, which resumes where the
// partition ends, writes it in transactions, and accounts for every record.
//
// It exists to keep the rules of the Kafka client and of transactions (what
// fences whom, what may be used again and when, which errors are final) in one
// place. Two things are kept apart. Safety: to own a partition is to hold its
// transactional id; taking the id fences whoever held it before (KIP-98), and
// the partition's own end says what was written. Liveness: a consumer group
// that consumes nothing says who should own what. With the group wholly wrong,
// two copies of everything at once, the topic is still right.
//
// It knows nothing of trades: a record has a key, an id that rises, and bytes.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// metadataMinAge is how soon a client may ask again where a partition's
	// leader is; a moved leader is found that much sooner than by default.
	metadataMinAge = 100 * time.Millisecond
	// Pause before a request is sent again: a leader that moves is back within
	// some tens of milliseconds, a broker that restarts within seconds.
	retryFirst = 20 * time.Millisecond
	retryMax   = 250 * time.Millisecond
)

// Connection is how the brokers are reached. All fields but Security are
// required.
type Connection struct {
	Brokers  []string
	Dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	Security Security
	Log      *slog.Logger
}

// client makes a client with the options that all have in common.
func (c *Connection) client(more ...kgo.Opt) (*kgo.Client, error) {
	log, err := newClientLog(c.Log)
	if err != nil {
		return nil, err
	}
	options := append(c.Security.Options(c.Dial),
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID("steadfeed"),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.RetryBackoffFn(func(tries int) time.Duration { return min(retryFirst<<min(tries, 6), retryMax) }),
		kgo.WithLogger(log),
		kgo.DisableClientMetrics(), // what a broker may ask for (KIP-714) is on /metrics
	)
	client, err := kgo.NewClient(append(options, more...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka client for %v: %w", c.Brokers, err)
	}
	return client, nil
}

// dialer marks every failure of dial as one of the network. The client gives
// records up when a connection fails for any other reason; to us a broker that
// cannot be reached is away, whatever the reason, and is waited for.
func dialer(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		var marked *net.OpError
		if err != nil && !errors.As(err, &marked) {
			err = &net.OpError{Op: "dial", Net: network, Err: err}
		}
		return conn, err
	}
}

// PartitionOf is the partition that Kafka's own clients give to key (murmur2):
// a consumer that computes it finds a symbol where it is.
func PartitionOf(key []byte, partitions int32) int32 {
	return int32(kgo.StickyKeyPartitioner(nil).ForTopic("").Partition(&kgo.Record{Key: key}, int(partitions)))
}
