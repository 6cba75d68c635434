package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// foreign: somebody else has a transaction open on every partition, so nothing
// behind its first record can be read, whoever wrote it. At the end it is
// aborted. A subject may learn of it with the next trade that it writes.
var foreign = Fault{Name: "kafka-foreign", Kind: KindBroker, draw: func(rng *rand.Rand, t timing) soak.Injection {
	return grant(brokerTrouble(seconds(rng, 10, 90)), t.silence)
}, begin: func(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
	stranger, err := strangeTransaction(bed, in)
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	return hold(in.For.D(), func() fakebinance.Evidence {
		hidden, err := stranger.leave()
		if err != nil {
			return fakebinance.Evidence{Text: fmt.Sprintf("its end: %v", err)}
		}
		return fakebinance.Evidence{Proven: hidden > 0, Text: fmt.Sprintf("%d records could not be read at its end", hidden)}
	}), nil
}}

// strangerWithin is for each thing that the stranger asks of Kafka.
const strangerWithin = 20 * time.Second

// stranger is a producer with an open transaction.
type stranger struct {
	topic  string
	client *kgo.Client
}

// strangeTransaction opens it. Kafka keeps it for longer than the injection.
func strangeTransaction(bed *testbed.Testbed, in soak.Injection) (s *stranger, err error) {
	settings := []kgo.Opt{
		kgo.SeedBrokers(bed.Store.Brokers()...),
		kgo.TransactionalID("stranger-" + in.Name), // the in-memory Kafka remembers the timeout of an id
		kgo.TransactionTimeout(in.For.D() + 2*strangerWithin),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	}
	if dial := bed.Dial(); dial != nil {
		settings = append(settings, kgo.Dialer(dial))
	}
	client, err := kgo.NewClient(settings...)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			client.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), strangerWithin)
	defer cancel()
	details, err := kadm.NewClient(client).ListTopics(ctx, bed.Topic)
	if err != nil {
		return nil, err
	}
	if err := client.BeginTransaction(); err != nil {
		return nil, err
	}
	for _, partition := range details[bed.Topic].Partitions.Numbers() {
		record := &kgo.Record{Topic: bed.Topic, Partition: partition, Value: []byte("nobody may see this")}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return nil, fmt.Errorf("write to partition %d: %w", partition, err)
		}
	}
	return &stranger{bed.Topic, client}, nil
}

// leave aborts the transaction and says how many records it kept from readers.
func (s *stranger) leave() (hidden int64, err error) {
	defer s.client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), strangerWithin)
	defer cancel()
	admin := kadm.NewClient(s.client)
	readable, err := admin.ListCommittedOffsets(ctx, s.topic)
	if err != nil {
		return 0, err
	}
	written, err := admin.ListEndOffsets(ctx, s.topic)
	if err != nil {
		return 0, err
	}
	written.Each(func(end kadm.ListedOffset) {
		if stable, ok := readable.Lookup(s.topic, end.Partition); ok {
			hidden += end.Offset - stable.Offset
		}
	})
	return hidden, s.client.EndTransaction(ctx, kgo.TryAbort)
}
