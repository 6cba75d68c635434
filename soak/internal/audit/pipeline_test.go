package audit

import (
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/streamer/schema"
)

// pipeline is somebody's topic, and the exchange whose trades are in it.
type pipeline struct {
	*backend
	testing.TB
	market   *fakebinance.Market
	exchange *fakebinance.Server
	codec    *avro.Schema
}

func newPipeline(t *testing.T) *pipeline {
	t.Helper()
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{
		Seed: 5, Symbols: []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"}, Rate: 2000, Start: time.Now().Add(-time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	exchange, err := fakebinance.New(fakebinance.Options{Source: market, RESTWeightLimit: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exchange.Close() })
	exchange.Start()
	return &pipeline{backend: newBackend(t), TB: t, market: market, exchange: exchange, codec: avro.MustParse(schema.Trade)}
}

// trades are the first n of each symbol, one of each in turn.
func (p *pipeline) trades(n int) (list []fakebinance.Trade) {
	for i := range n {
		for _, symbol := range p.market.Symbols() {
			list = append(list, p.market.Trade(symbol, p.market.FirstID(symbol)+int64(i)))
		}
	}
	return list
}

func (p *pipeline) avro(t fakebinance.Trade) *kgo.Record {
	p.Helper()
	body, err := p.codec.Encode(map[string]any{
		"symbol": t.Symbol, "trade_id": t.ID, "price": big.NewRat(int64(t.Price), 1e8), "quantity": big.NewRat(int64(t.Quantity), 1e8),
		"buyer_is_maker": t.BuyerIsMaker, "traded_at": t.TradedAt, "event_at": t.EventAt, "received_at": t.EventAt,
	})
	if err != nil {
		p.Fatal(err)
	}
	framed, err := (&sr.ConfluentHeader{}).AppendEncode(nil, p.id, nil)
	if err != nil {
		p.Fatal(err)
	}
	return &kgo.Record{Key: []byte(t.Symbol), Value: append(framed, body...), Timestamp: time.UnixMicro(t.EventAt)}
}

// combined is a frame of the exchange's combined stream, passed on as it came.
func combined(t fakebinance.Trade) *kgo.Record {
	value := fmt.Sprintf(`{"stream":"%s@trade","data":{"e":"trade","E":%d,"s":%q,"t":%d,"p":%q,"q":%q,"T":%d,"m":%t,"M":true}}`,
		strings.ToLower(t.Symbol), t.EventAt, t.Symbol, t.ID, t.Price, t.Quantity, t.TradedAt/1000, t.BuyerIsMaker)
	return &kgo.Record{Key: []byte(t.Symbol), Value: []byte(value), Timestamp: time.UnixMicro(t.EventAt)}
}

// make makes a topic and puts the records into it, batch by batch.
func (p *pipeline) make(topic string, partitions int32, records []*kgo.Record, more ...kgo.Opt) {
	p.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(p.cluster.ListenAddrs()...), kgo.DefaultProduceTopic(topic), kgo.MaxBufferedRecords(1e6), kgo.MetadataMinAge(50 * time.Millisecond),
	}, more...)...)
	if err != nil {
		p.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(p.Context(), partitions, 1, nil, topic); err != nil {
		p.Fatal(err)
	}
	if err := client.ProduceSync(p.Context(), records...).FirstErr(); err != nil {
		p.Fatal(err)
	}
}

// inspect audits a topic and returns its ledger.
func (p *pipeline) inspect(topic soak.Topic, change ...func(*Inspection)) (soak.Ledger, soak.Course) {
	p.Helper()
	registry, err := sr.NewClient(sr.URLs(p.registry.URL()))
	if err != nil {
		p.Fatal(err)
	}
	if topic.Format == "" {
		topic.Format = FormatAuto
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	i := Inspection{
		Plan: NewPlan(topic, 1), Out: p.TempDir(), Kafka: []kgo.Opt{kgo.SeedBrokers(p.cluster.ListenAddrs()...)},
		Registry: registry, HTTP: &http.Client{Transport: transport}, Weight: 1e6, Asking: time.Minute,
	}
	for _, f := range change {
		f(&i)
	}
	dir, course, err := i.Run(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	ledger, err := dir.ReadLedger()
	if err != nil {
		p.Fatal(err)
	}
	return ledger, course
}

// planted is what the tests do to a history.
type planted struct {
	lost, repeated, swapped, altered fakebinance.Trade
}

// plant takes one trade out, repeats one much later, swaps one with its
// successor of the same symbol and alters one's price in its last digit.
func plant(trades []fakebinance.Trade) ([]fakebinance.Trade, planted) {
	n := len(trades)
	at := func(share float64) int { return int(share * float64(n)) }
	var did planted
	i := at(0.3)
	trades[i], trades[i+3] = trades[i+3], trades[i]
	did.swapped = trades[i+3]
	did.altered = trades[at(0.4)]
	trades[at(0.4)].Price++
	did.repeated = trades[at(0.05)]
	trades = slices.Insert(trades, at(0.9), did.repeated)
	did.lost = trades[at(0.2)]
	return slices.Delete(trades, at(0.2), at(0.2)+1), did
}

func foundIn(l soak.Ledger) (list []string) {
	for _, f := range l.Findings {
		list = append(list, fmt.Sprintf("%s %s %d %d", f.Guarantee, f.Symbol, f.FirstID, f.LastID))
	}
	slices.Sort(list)
	return list
}

func finding(g soak.Guarantee, t fakebinance.Trade) string {
	return fmt.Sprintf("%s %s %d %d", g, t.Symbol, t.ID, t.ID)
}
