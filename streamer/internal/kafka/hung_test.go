package kafka

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"steadfeed/fakebinance/memnet"
	"steadfeed/streamer/internal/testlog"
)

// virtual starts a fake broker in the current bubble, with topics of some
// partitions, and returns options to own the first of them.
func virtual(t *testing.T, partitions int32) (*kfake.Cluster, OwnerOptions, *memnet.Network, *testlog.Log) {
	t.Helper()
	network := memnet.New()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.SeedTopics(partitions, topic, snapshots),
		kfake.ListenFn(func(_, addr string) (net.Listener, error) { return network.Listen(addr) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	log := &testlog.Log{}
	o := optionsFor(cluster)
	o.Connection = Connection{Brokers: cluster.ListenAddrs(), Dial: network.Dial, Log: slog.New(slog.NewTextHandler(log, nil))}
	o.Partitions = partitions
	return cluster, o, network, log
}

// took is what came of a Take.
type took struct {
	owner *Owner
	err   error
	after time.Duration
}

// takeSoon takes the partition while the test goes on.
func takeSoon(t *testing.T, ctx context.Context, o OwnerOptions) <-chan took {
	began, done := time.Now(), make(chan took, 1)
	go func() {
		owner, err := Take(ctx, o)
		done <- took{owner, err, time.Since(began)}
	}()
	t.Cleanup(func() {
		select {
		case got := <-done:
			if got.owner != nil {
				got.owner.Close()
			}
		default:
		}
	})
	return done
}

func still(t *testing.T, done <-chan took, why string) {
	t.Helper()
	synctest.Wait()
	if len(done) > 0 {
		t.Fatalf("the partition was taken %s", why)
	}
}

// markers notes each request to end a transaction.
func markers(cluster *kfake.Cluster) func() []kmsg.WriteTxnMarkersRequestMarker {
	var mu sync.Mutex
	var seen []kmsg.WriteTxnMarkersRequestMarker
	cluster.ControlKey(int16(kmsg.WriteTxnMarkers), func(request kmsg.Request) (kmsg.Response, error, bool) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, request.(*kmsg.WriteTxnMarkersRequest).Markers...)
		return nil, nil, false
	})
	return func() []kmsg.WriteTxnMarkersRequestMarker {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

// Somebody else's transaction before the end is waited for and never ended;
// after a minute the partition is said to be hung, once, until it is over.
func TestStrangersTransactionIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, o, network, log := virtual(t, 1)
		ended := markers(cluster)
		stranger, err := kgo.NewClient(kgo.SeedBrokers(o.Brokers...), kgo.Dialer(network.Dial), kgo.TransactionalID("stranger"), kgo.TransactionTimeout(10*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		defer stranger.Close()
		ctx := context.Background()
		if err := errors.Join(stranger.BeginTransaction(), stranger.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("A 7")}).FirstErr()); err != nil {
			t.Fatal(err)
		}
		told := make(chan bool, 10)
		o.OnHung = func(hung bool) { told <- hung }
		done := takeSoon(t, ctx, o)
		time.Sleep(hungAfter - time.Second)
		still(t, done, "while a transaction was open before its end")
		if len(told) > 0 {
			t.Errorf("hung was said before %v", hungAfter)
		}
		time.Sleep(time.Minute)
		still(t, done, "while a transaction was open before its end")
		if len(told) != 1 || !<-told {
			t.Error("a minute after, hung was not said, or more than once")
		}
		if n := log.Count("not ours to end"); n < 1 || n > 13 {
			t.Errorf("in two minutes it was said %d times who has it open", n)
		}
		if err := stranger.EndTransaction(ctx, kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
		got := <-done
		if got.err != nil {
			t.Fatal(got.err)
		}
		defer got.owner.Close()
		if len(told) != 1 || <-told {
			t.Error("that it is over was not said, or more than once")
		}
		if id := got.owner.Mark("A").ID; id != 7 {
			t.Errorf("A at %d, want 7", id)
		}
		if n := len(ended()); n > 0 {
			t.Errorf("%d markers were written for somebody else's transaction", n)
		}
	})
}

// hanging is a broker whose partition 0 is as another that died has left it.
type hanging struct {
	topic string                         // empty: that of the records
	who   []func(ours producer) producer // have had a transaction open since the first record
	look  *kerr.Error                    // what the broker answers who asks for them
	end   *kerr.Error                    // and who ends one
}

// ours is the producer that the broker makes of whoever comes.
var ours = producer{40, 5}

// in has the cluster answer so, until all open transactions are ended.
func (h hanging) in(cluster *kfake.Cluster) {
	if h.topic == "" {
		h.topic = topic
	}
	over := map[producer]bool{} // the cluster calls one function at a time
	open := func() (left []producer) {
		for _, who := range h.who {
			if p := who(ours); !over[p] {
				left = append(left, p)
			}
		}
		return left
	}
	answer := func(key kmsg.Key, with func(kmsg.Request) kmsg.Response) {
		cluster.ControlKey(int16(key), func(request kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			got := with(request)
			return got, nil, got != nil
		})
	}
	answer(kmsg.InitProducerID, func(request kmsg.Request) kmsg.Response {
		got := request.ResponseKind().(*kmsg.InitProducerIDResponse)
		got.ProducerID, got.ProducerEpoch = ours.id, ours.epoch
		return got
	})
	answer(kmsg.ListOffsets, func(request kmsg.Request) kmsg.Response {
		asked := request.(*kmsg.ListOffsetsRequest)
		if asked.IsolationLevel != kmsgReadCommitted || asked.Topics[0].Topic != h.topic || asked.Topics[0].Partitions[0].Partition != 0 || len(open()) == 0 {
			return nil
		}
		at := kmsg.NewListOffsetsResponseTopicPartition() // of partition 0, at offset 0
		at.Offset = 0
		got := request.ResponseKind().(*kmsg.ListOffsetsResponse)
		got.Topics = []kmsg.ListOffsetsResponseTopic{{Topic: h.topic, Partitions: []kmsg.ListOffsetsResponseTopicPartition{at}}}
		return got
	})
	answer(kmsg.DescribeProducers, func(request kmsg.Request) kmsg.Response {
		at := kmsg.NewDescribeProducersResponseTopicPartition()
		add := func(p producer, start int64) {
			one := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
			one.ProducerID, one.ProducerEpoch, one.CoordinatorEpoch, one.CurrentTxnStartOffset = p.id, int32(p.epoch), 9, start
			at.ActiveProducers = append(at.ActiveProducers, one)
		}
		if h.look != nil {
			at.ErrorCode = h.look.Code
		} else {
			add(producer{3, 0}, -1) // has none open
			for _, p := range open() {
				add(p, 0)
			}
		}
		got := request.ResponseKind().(*kmsg.DescribeProducersResponse)
		got.Topics = []kmsg.DescribeProducersResponseTopic{{Topic: h.topic, Partitions: []kmsg.DescribeProducersResponseTopicPartition{at}}}
		return got
	})
	answer(kmsg.WriteTxnMarkers, func(request kmsg.Request) kmsg.Response {
		m := request.(*kmsg.WriteTxnMarkersRequest).Markers[0]
		at := kmsg.NewWriteTxnMarkersResponseMarkerTopicPartition()
		if h.end != nil {
			at.ErrorCode = h.end.Code
		} else {
			over[producer{m.ProducerID, m.ProducerEpoch}] = true
		}
		got := request.ResponseKind().(*kmsg.WriteTxnMarkersResponse)
		got.Markers = []kmsg.WriteTxnMarkersResponseMarker{{ProducerID: m.ProducerID, Topics: []kmsg.WriteTxnMarkersResponseMarkerTopic{{Topic: h.topic,
			Partitions: []kmsg.WriteTxnMarkersResponseMarkerTopicPartition{at}}}}}
		return got
	})
}

// somethingBefore puts a record into the partition, so that its end is not its
// beginning.
func somethingBefore(t *testing.T, o OwnerOptions) { t.Helper(); put(t, o, topic) }

func put(t *testing.T, o OwnerOptions, topic string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(o.Brokers...), kgo.Dialer(o.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Value: []byte("A 7")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func before(ours producer) producer { return producer{ours.id, ours.epoch - 2} }

// A transaction of an owner before us, which the brokers have left open, is
// ended by one marker, and nothing else is touched.
func TestHangingTransactionIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, o, _, log := virtual(t, 1)
		somethingBefore(t, o)
		ended := markers(cluster)
		hanging{who: []func(producer) producer{before}}.in(cluster)
		told := make(chan bool, 10)
		o.OnHung = func(hung bool) { told <- hung }
		got := <-takeSoon(t, context.Background(), o)
		if got.err != nil {
			t.Fatal(got.err)
		}
		defer got.owner.Close()
		if got.after < repairAfter || got.after > 4*repairAfter {
			t.Errorf("it took %v", got.after)
		}
		all := ended()
		if len(all) != 1 {
			t.Fatalf("%d markers were written", len(all))
		}
		m := all[0]
		if m.Committed || m.ProducerID != 40 || m.ProducerEpoch != 3 || m.CoordinatorEpoch != 9 ||
			len(m.Topics) != 1 || m.Topics[0].Topic != topic || !slices.Equal(m.Topics[0].Partitions, []int32{0}) {
			t.Errorf("the marker is %+v", m)
		}
		if len(told) > 0 {
			t.Error("it was said to be hung")
		}
		if n, other := log.Count("ended a transaction"), log.Count("not ours to end"); n != 1 || other != 0 {
			t.Errorf("it was said %d times, and %d times of one that has none open", n, other)
		}
	})
}

// One that is left open among the snapshots is ended too, and not waited for:
// they can be done without.
func TestHangingSnapshotIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, o, _, _ := virtual(t, 1)
		put(t, o, snapshots)
		ended := markers(cluster)
		hanging{topic: snapshots, who: []func(producer) producer{before}}.in(cluster)
		got := <-takeSoon(t, context.Background(), o)
		if got.err != nil || got.after > repairAfter {
			t.Fatalf("after %v, Take = %v", got.after, got.err)
		}
		got.owner.Close()
		if all := ended(); len(all) != 1 || all[0].Committed || all[0].ProducerEpoch != 3 || len(all[0].Topics) != 1 || all[0].Topics[0].Topic != snapshots {
			t.Errorf("the markers are %+v", all)
		}
	})
}

// What could be a live owner's is never ended: our epoch or one above, or
// another id. A stranger's does not keep ours from being ended.
func TestOnlyFencedTransactionIsEnded(t *testing.T) {
	f := func(name string, want int, who ...func(producer) producer) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			cluster, o, _, log := virtual(t, 1)
			somethingBefore(t, o)
			ended := markers(cluster)
			hanging{who: who}.in(cluster)
			ctx, cancel := context.WithCancel(context.Background())
			done := takeSoon(t, ctx, o)
			time.Sleep(2 * hungAfter)
			still(t, done, "although a transaction is open: "+name)
			if n := len(ended()); n != want {
				t.Errorf("%s: %d markers were written, want %d", name, n, want)
			}
			if log.Count("not ours to end") == 0 {
				t.Errorf("%s: nothing was said of it", name)
			}
			cancel()
			if got := <-done; !errors.Is(got.err, context.Canceled) {
				t.Errorf("%s: Take = %v", name, got.err)
			}
		})
	}
	same := func(ours producer) producer { return ours }
	above := func(ours producer) producer { return producer{ours.id, ours.epoch + 1} }
	other := func(ours producer) producer { return producer{ours.id - 1, 0} }
	f("our epoch", 0, same)
	f("an epoch above ours", 0, above)
	f("another id", 0, other)
	f("another id, and ours", 1, other, before)
}

// Without the right to end it, or to look who has it open, the partition is
// waited for, and it is said why; another partition goes on.
func TestHangingTransactionWithoutTheRight(t *testing.T) {
	f := func(h hanging, why *kerr.Error) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			cluster, o, _, log := virtual(t, 2)
			somethingBefore(t, o)
			h.who = append(h.who, before)
			h.in(cluster)
			told := make(chan bool, 10)
			o.OnHung = func(hung bool) { told <- hung }
			ctx, cancel := context.WithCancel(context.Background())
			done := takeSoon(t, ctx, o)
			beside := o
			beside.Partition, beside.ID = 1, "group-trades-1"
			take(t, beside)
			time.Sleep(2 * hungAfter)
			still(t, done, "although a transaction is open before its end")
			if len(told) != 1 || !<-told {
				t.Error("hung was not said, or more than once")
			}
			if log.Count(why.Message) == 0 {
				t.Errorf("the log does not say %s", why.Message)
			}
			cancel()
			if got := <-done; !errors.Is(got.err, context.Canceled) {
				t.Errorf("Take = %v", got.err)
			}
			if len(told) != 1 || <-told {
				t.Error("that it is over was not said, or more than once")
			}
		})
	}
	f(hanging{end: kerr.ClusterAuthorizationFailed}, kerr.ClusterAuthorizationFailed)
	f(hanging{end: kerr.InvalidProducerEpoch}, kerr.InvalidProducerEpoch)
	f(hanging{look: kerr.TopicAuthorizationFailed}, kerr.TopicAuthorizationFailed)
	f(hanging{look: kerr.UnknownServerError}, kerr.UnknownServerError)
}
