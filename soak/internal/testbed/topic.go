package testbed

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/streamer/schema"
)

// filledSymbols is how many symbols a filled topic has.
const filledSymbols = 10

// FillTopic writes a topic of n trades into the backend, in the schema of this
// project, as a pipeline would that loses one trade, repeats another after
// most of the topic, and swaps two: for measuring an auditor. It returns what
// must be found.
func (b *Backend) FillTopic(ctx context.Context, topic string, n int) ([]soak.Finding, error) {
	fail := func(err error) ([]soak.Finding, error) { return nil, fmt.Errorf("fill topic %s: %w", topic, err) }
	registry, err := sr.NewClient(sr.URLs(b.RegistryURL()))
	if err != nil {
		return fail(err)
	}
	registered, err := registry.CreateSchema(ctx, schema.Subject(topic), sr.Schema{Schema: schema.Trade})
	if err != nil {
		return fail(err)
	}
	var symbols []string
	for i := range filledSymbols {
		symbols = append(symbols, fmt.Sprintf("S%dUSDT", i))
	}
	const rate = 1000
	length := time.Duration(float64(n) / rate / filledSymbols * float64(time.Second))
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{Seed: 1, Symbols: symbols, Rate: rate, Start: time.Now().Add(-length)})
	if err != nil {
		return fail(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers()...), kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(20*time.Millisecond), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return fail(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return fail(err)
	}
	header := binary.BigEndian.AppendUint32([]byte{schema.Magic}, uint32(registered.ID))
	failed := make(chan error, 1)
	produce := func(t fakebinance.Trade) {
		client.Produce(ctx, &kgo.Record{
			Key: []byte(t.Symbol), Value: appendTrade(append(make([]byte, 0, 72), header...), t), Timestamp: time.UnixMicro(t.EventAt),
		}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default: // the first one is enough
				}
			}
		})
	}
	each := int64(n / filledSymbols)
	lost, swapped, repeated, again := each/5, each/2, each/20, each*9/10
	at := func(symbol string, i int64) fakebinance.Trade { return market.Trade(symbol, market.FirstID(symbol)+i) }
	for i := range each {
		for s, symbol := range symbols {
			switch {
			case s == 1 && i == lost, s == 2 && i == swapped:
				continue
			case s == 3 && i == again:
				produce(at(symbol, repeated))
			}
			produce(at(symbol, i))
			if s == 2 && i == swapped+1 {
				produce(at(symbol, swapped))
			}
		}
	}
	if err := client.Flush(ctx); err != nil {
		return fail(err)
	}
	select {
	case err := <-failed:
		return fail(err)
	default:
	}
	if again <= repeated || swapped+1 >= each {
		return fail(errors.New("too few trades for all that is planted"))
	}
	planted := func(g soak.Guarantee, t fakebinance.Trade) soak.Finding {
		return soak.Finding{Guarantee: g, Symbol: t.Symbol, FirstID: t.ID, LastID: t.ID}
	}
	return []soak.Finding{
		planted(soak.Complete, at(symbols[1], lost)),
		planted(soak.Ordered, at(symbols[2], swapped)),
		planted(soak.Unique, at(symbols[3], repeated)),
	}, nil
}

// appendTrade is the Avro body of a trade, field by field as in the schema.
// The codec of the tests would take longer than all the rest.
func appendTrade(b []byte, t fakebinance.Trade) []byte {
	decimal := func(d fakebinance.Decimal) {
		b = binary.AppendVarint(b, 8)
		b = binary.BigEndian.AppendUint64(b, uint64(d))
	}
	b = binary.AppendVarint(b, int64(len(t.Symbol)))
	b = append(b, t.Symbol...)
	b = binary.AppendVarint(b, t.ID)
	decimal(t.Price)
	decimal(t.Quantity)
	if t.BuyerIsMaker {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	for _, at := range []int64{t.TradedAt, t.EventAt, t.EventAt} {
		b = binary.AppendVarint(b, at)
	}
	return b
}
