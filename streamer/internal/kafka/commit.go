package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// knownPoll is how often a client is asked whether it knows a topic.
const knownPoll = time.Millisecond

// endTransaction commits a transaction that has records of a topic, all of them
// acknowledged.
//
// A client that is new to a topic sends what waited for its metadata first, and
// notes the topic's partitions after (kgo, storePartitionsUpdate, as of v1.22.3).
// Where the records are acknowledged in between, EndTransaction finds no
// partition with any, takes the transaction for an empty one, and aborts it
// without an error. So it is not asked before the client has noted them.
func endTransaction(ctx context.Context, client *kgo.Client, topic string) error {
	for {
		if leader, _, err := client.PartitionLeader(topic, 0); leader >= 0 || err != nil {
			return client.EndTransaction(ctx, kgo.TryCommit)
		}
		select {
		case <-time.After(knownPoll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
