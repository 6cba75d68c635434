package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A client that has not noted the topic's partitions would abort, and say that
// it has committed.
func TestATransactionIsNotEndedByAClientThatDoesNotKnowItsTopic(t *testing.T) {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker(t).ListenAddrs()...), kgo.TransactionalID("id"), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*knownPoll)
	defer cancel()
	if err := endTransaction(ctx, client, topic); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want to wait for the topic", err)
	}
	if err := client.ProduceSync(t.Context(), kgo.StringRecord("r")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := endTransaction(ctx, client, topic); err != nil {
		t.Errorf("%v, although the client knows the topic", err)
	}
}
