package audit

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/big"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/streamer/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is a Kafka and a registry in this process, with the trade's schema
// registered.
type backend struct {
	cluster  *kfake.Cluster
	registry *srfake.Registry
	id       int
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(2), kfake.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	registry := srfake.New()
	t.Cleanup(func() { cluster.Close(); registry.Close() })
	b := &backend{cluster: cluster, registry: registry}
	b.id = b.register(t, schema.Trade)
	return b
}

func (b *backend) register(t *testing.T, text string) int {
	t.Helper()
	client, err := sr.NewClient(sr.URLs(b.registry.URL()))
	if err != nil {
		t.Fatal(err)
	}
	registered, err := client.CreateSchema(t.Context(), schema.Subject(schema.Topic), sr.Schema{Schema: text})
	if err != nil {
		t.Fatal(err)
	}
	return registered.ID
}

// producer writes as a streamer does.
func (b *backend) producer(t *testing.T, more ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.cluster.ListenAddrs()...), kgo.DefaultProduceTopic(schema.Topic), kgo.AllowAutoTopicCreation(),
	}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// encode writes a trade by a schema, whose id the record carries.
func encode(t *testing.T, id int, text string, trade fakebinance.Trade, receivedAt int64) *kgo.Record {
	t.Helper()
	body, err := avro.MustParse(text).Encode(map[string]any{
		"symbol": trade.Symbol, "trade_id": trade.ID,
		"price": big.NewRat(int64(trade.Price), 1e8), "quantity": big.NewRat(int64(trade.Quantity), 1e8),
		"buyer_is_maker": trade.BuyerIsMaker,
		"traded_at":      trade.TradedAt, "event_at": trade.EventAt, "received_at": receivedAt,
		"venue": "spot", // of a later version of the schema
	})
	if err != nil {
		t.Fatal(err)
	}
	framed, err := (&sr.ConfluentHeader{}).AppendEncode(nil, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &kgo.Record{Key: []byte(trade.Symbol), Value: append(framed, body...)}
}

func produce(t *testing.T, client *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// read runs Topic.Read beside the test and returns how to wait for the end of
// the topic.
func (b *backend) read(t *testing.T, a *Auditor) (toEnd func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- Topic{Brokers: b.cluster.ListenAddrs(), Registry: b.registry.URL(), Topic: schema.Topic}.Read(ctx, a)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("read: %v", err)
		}
	})
	return func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var end int64
		for _, p := range b.cluster.PartitionInfos(schema.Topic) {
			end += p.HighWatermark
		}
		if err := a.ReadTo(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
}

// liveRig is a rig whose market runs now, so that what is really visible now
// is neither early nor late.
func liveRig(t *testing.T, n int64) (*rig, []fakebinance.Trade) {
	t.Helper()
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{
		Seed: 7, Symbols: []string{"BTCUSDT"}, Rate: 1000, Start: time.Now().Add(-time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, 1, "BTCUSDT")
	r.market, r.book.source, r.source = market, market, market
	first := market.FirstID("BTCUSDT")
	r.book.last["BTCUSDT"] = first + n - 1
	var trades []fakebinance.Trade
	for id := first; id < first+n; id++ {
		trades = append(trades, market.Trade("BTCUSDT", id))
	}
	return r, trades
}

// Every kind of compression, transactions that commit and that abort, and a
// topic that appears after the reading began.
func TestTopicIsReadAsAConsumerWould(t *testing.T) {
	b := newBackend(t)
	codecs := []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
	}
	const each = 20
	r, trades := liveRig(t, int64(each*(len(codecs)+1)))
	toEnd := b.read(t, r.Auditor)
	records := func(part []fakebinance.Trade) (out []*kgo.Record) {
		for _, trade := range part {
			out = append(out, encode(t, b.id, schema.Trade, trade, time.Now().UnixMicro()))
		}
		return out
	}
	for i, codec := range codecs {
		client := b.producer(t, kgo.ProducerBatchCompression(codec))
		produce(t, client, records(trades[i*each:(i+1)*each])...)
	}
	rest := trades[len(codecs)*each:]
	client := b.producer(t, kgo.TransactionalID("test"))
	for _, commit := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, client, records(rest)...)
		if err := client.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	toEnd()
	l := r.Ledger()
	if want := int64(len(trades)); len(l.Findings) > 0 || l.Accounts[0].Delivered != want {
		t.Errorf("delivered %d of %d, findings %+v", l.Accounts[0].Delivered, want, l.Findings)
	}
}

func TestUnreadableRecordsAreFindings(t *testing.T) {
	b := newBackend(t)
	r, trades := liveRig(t, 2)
	toEnd := b.read(t, r.Auditor)
	good := encode(t, b.id, schema.Trade, trades[0], time.Now().UnixMicro())
	key := []byte("BTCUSDT")
	other := b.registerOther(t)
	wrongPrice := encode(t, b.id, schema.Trade, trades[1], time.Now().UnixMicro())
	broken := []struct {
		value []byte
		why   string
	}{
		{nil, "Confluent framing"},
		{[]byte("{}"), "Confluent framing"},
		{good.Value[:len(good.Value)-1], "decode by schema"},
		{append(append([]byte{}, good.Value...), 0), "1 bytes follow"},
		{append([]byte{0, 0, 0, 3, 231}, good.Value[5:]...), "schema 999 is not in the registry"},
		{append([]byte{0, 0, 0, 0, byte(other)}, 2, 'x'), fmt.Sprintf("schema %d has no trade", other)},
	}
	records := []*kgo.Record{good}
	for _, test := range broken {
		records = append(records, &kgo.Record{Key: key, Value: test.value})
	}
	produce(t, b.producer(t), append(records, wrongPrice)...)
	toEnd()
	l := r.Ledger()
	if len(l.Findings) != len(broken) || l.Accounts[0].Altered != int64(len(broken)) || l.Accounts[0].Delivered != 2 {
		t.Fatalf("account %+v, findings %+v", l.Accounts[0], l.Findings)
	}
	for i, test := range broken {
		if f := l.Findings[i]; f.Guarantee != soak.Faithful || !strings.Contains(f.Why, test.why) || !strings.Contains(f.Why, fmt.Sprintf("offset %d", i+1)) {
			t.Errorf("finding %+v, want why %q at offset %d", f, test.why, i+1)
		}
	}
}

// registerOther registers a schema under which nothing is a trade.
func (b *backend) registerOther(t *testing.T) int {
	t.Helper()
	client, err := sr.NewClient(sr.URLs(b.registry.URL()))
	if err != nil {
		t.Fatal(err)
	}
	registered, err := client.CreateSchema(t.Context(), "other-value", sr.Schema{
		Schema: `{"type":"record","name":"Trade","namespace":"steadfeed","fields":[{"name":"symbol","type":"string"}]}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	return registered.ID
}

// A streamer with a newer schema, its fields in another order, is read by the
// names of the fields.
func TestNewerSchemaIsResolvedByName(t *testing.T) {
	const newer = `{"type":"record","name":"Trade","namespace":"steadfeed","fields":[
		{"name":"venue","type":"string","default":""},
		{"name":"received_at","type":{"type":"long","logicalType":"timestamp-micros"}},
		{"name":"event_at","type":{"type":"long","logicalType":"timestamp-micros"}},
		{"name":"traded_at","type":{"type":"long","logicalType":"timestamp-micros"}},
		{"name":"buyer_is_maker","type":"boolean"},
		{"name":"quantity","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":8}},
		{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":8}},
		{"name":"trade_id","type":"long"},
		{"name":"symbol","type":"string"}]}`
	b := newBackend(t)
	id := b.register(t, newer)
	r, trades := liveRig(t, 10)
	toEnd := b.read(t, r.Auditor)
	var records []*kgo.Record
	for i, trade := range trades {
		if i%2 == 0 {
			records = append(records, encode(t, b.id, schema.Trade, trade, time.Now().UnixMicro()))
		} else {
			records = append(records, encode(t, id, newer, trade, time.Now().UnixMicro()))
		}
	}
	produce(t, b.producer(t), records...)
	toEnd()
	if l := r.Ledger(); len(l.Findings) > 0 || l.Accounts[0].Delivered != 10 {
		t.Errorf("account %+v, findings %+v", l.Accounts[0], l.Findings)
	}
}

func TestDecimals(t *testing.T) {
	f := func(bytes []byte, want int64, fits bool) {
		t.Helper()
		got, err := decimal(bytes)
		if (err == nil) != fits || fits && int64(got) != want {
			t.Errorf("decimal %x is %d, %v; want %d", bytes, got, err, want)
		}
	}
	f([]byte{0}, 0, true)
	f([]byte{0x7f}, 127, true)
	f([]byte{0xff}, -1, true)
	f([]byte{0x00, 0xff}, 255, true)
	f([]byte{0x80, 0x00}, -32768, true)
	f([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 1, true)
	f([]byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, math.MaxInt64, true)
	f([]byte{0x80, 0, 0, 0, 0, 0, 0, 0}, math.MinInt64, true)
	f([]byte{0x00, 0x80, 0, 0, 0, 0, 0, 0, 0}, 0, false)
	f([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0}, 0, false)
	f(nil, 0, false)
}

// What was audited is deleted, all but the newest records of a partition.
func TestOnlyOldRecordsAreTrimmed(t *testing.T) {
	b := newBackend(t)
	client := b.producer(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	var records []*kgo.Record
	for i := range 200 {
		records = append(records, &kgo.Record{Partition: int32(i % 2), Value: []byte("x")})
	}
	produce(t, client, records...)
	var read positions
	if by := read.advance(0, 5) + read.advance(0, 90) + read.advance(1, trimKeep+70); by != 90+trimKeep+70 {
		t.Errorf("advanced by %d", by)
	}
	admin := kadm.NewClient(client)
	Topic{Topic: schema.Topic}.trim(t.Context(), admin, &read)
	starts, err := admin.ListStartOffsets(t.Context(), schema.Topic)
	if err != nil {
		t.Fatal(err)
	}
	for partition, want := range map[int32]int64{0: 0, 1: 70} {
		if start, _ := starts.Lookup(schema.Topic, partition); start.Offset != want {
			t.Errorf("partition %d begins at %d, want %d", partition, start.Offset, want)
		}
	}
}

// The end of a topic, as it can be read and as it was written: they differ
// while a transaction is open.
func TestEnd(t *testing.T) {
	b := newBackend(t)
	topic := Topic{Brokers: b.cluster.ListenAddrs(), Topic: schema.Topic}
	f := func(what string, committed, written int64) {
		t.Helper()
		if c, w, err := topic.End(t.Context()); err != nil || c != committed || w != written {
			t.Errorf("%s: %d of %d can be read, %v; want %d of %d", what, c, w, err, committed, written)
		}
	}
	f("no topic", 0, 0)
	client := b.producer(t, kgo.TransactionalID("test"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, client, kgo.StringRecord("a"), kgo.StringRecord("b"), &kgo.Record{Partition: 1, Value: []byte("c")})
	f("an open transaction", 0, 3)
	if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	f("committed, with two markers", 5, 5)
}

func TestPermanent(t *testing.T) {
	f := func(err error, want bool) {
		t.Helper()
		if got := permanent(fmt.Errorf("fetch: %w", err)); got != want {
			t.Errorf("%v is permanent: %t, want %t", err, got, want)
		}
	}
	f(kerr.TopicAuthorizationFailed, true)
	f(&kgo.ErrDataLoss{Topic: "t", ConsumedTo: 9, ResetTo: 5}, true)
	f(kerr.LeaderNotAvailable, false)
	f(io.EOF, false)
	f(&kgo.ErrFirstReadEOF{}, false) // a proxy whose broker is still starting
	f(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, false)
}
