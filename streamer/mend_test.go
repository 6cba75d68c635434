package streamer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/kafka"
	"steadfeed/streamer/internal/record"
	"steadfeed/streamer/schema"
)

// Whatever the order in which ids come, what is left over is what is missing,
// and the holes kept stay within their limit.
func TestHoleSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 50).Draw(t, "limit")
		h := searchHoles([]string{"A"}, limit)
		have := map[int64]bool{}
		first, highest := int64(-1), int64(-1)
		for _, id := range rapid.SliceOf(rapid.Int64Range(0, 60)).Draw(t, "ids") {
			if !h.observe("A", id) {
				t.Fatal("not watched")
			}
			have[id] = true
			if first < 0 {
				first = id
			}
			highest = max(highest, id)
			if h.count > limit {
				t.Fatalf("%d holes, limit %d", h.count, limit)
			}
		}
		var want, got []int64
		for id := first; id <= highest; id++ {
			if !have[id] && first >= 0 {
				want = append(want, id)
			}
		}
		for _, each := range h.list() {
			for id := each.first; id <= each.last; id++ {
				got = append(got, id)
			}
		}
		if h.beyond == 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("missing %v, want %v", got, want)
		}
	})
	if searchHoles(nil, 1).observe("B", 1) {
		t.Error("a symbol that is not looked at is watched")
	}
}

// holed is a world without a streamer, whose topic lacks what leaveOut says of
// what was published in a minute.
func holed(t *testing.T, o options, leaveOut func(symbol string, nth int64) bool) *rig {
	t.Helper()
	r := world(t, o)
	r.config.RESTBudget = MendBudget
	r.exchange.Start()
	time.Sleep(time.Minute)
	r.exchange.StopPublishing()
	r.write(func(put func(symbol string, id int64)) {
		for _, symbol := range r.config.Symbols {
			first, last := r.published(symbol)
			for id := first; id <= last; id++ {
				if !leaveOut(symbol, id-first) {
					put(symbol, id)
				}
			}
		}
	})
	return r
}

// published is the range of ids of symbol that the exchange's REST has. (Its
// ledger begins with the first session, and there is none here.)
func (r *rig) published(symbol string) (first, last int64) {
	r.t.Helper()
	config, err := r.config.tlsConfig()
	r.must(err)
	transport := &http.Transport{DialContext: r.dial, TLSClientConfig: config, DisableKeepAlives: true}
	history := binance.NewHistory(binance.HistoryOptions{URL: r.config.RESTURL, Symbols: []string{symbol}, Budget: 1, Client: &http.Client{Transport: transport}, Log: r.config.Log})
	newest, _, err := history.Newest(context.Background(), 0)
	r.must(err)
	return r.source.FirstID(symbol), newest.ID
}

// write puts trades into the topic, as a streamer would have.
func (r *rig) write(all func(put func(symbol string, id int64))) {
	r.t.Helper()
	ctx := context.Background()
	transport := &http.Transport{DialContext: r.net.Dial, DisableKeepAlives: true}
	registry, err := r.config.registryClient(transport)
	r.must(err)
	encoder, err := record.NewEncoder(registry, 1, func() {})
	r.must(err)
	subject := schema.Subject(r.config.Topic)
	r.must(encoder.Prepare(ctx, subject))
	client, err := kgo.NewClient(kgo.SeedBrokers(brokerAddr), kgo.Dialer(r.net.Dial), kgo.DefaultProduceTopic(r.config.Topic))
	r.must(err)
	defer client.Close()
	_, err = kafka.EnsureTopic(ctx, client, r.config.Topic, 6, -1, nil)
	r.must(err)
	var records []*kgo.Record
	all(func(symbol string, id int64) {
		published := r.source.Trade(symbol, id)
		value, _ := encoder.Append(nil, subject, &binance.Trade{Symbol: symbol, ID: id, Price: binance.Decimal(published.Price),
			Quantity: binance.Decimal(published.Quantity), BuyerIsMaker: published.BuyerIsMaker, TradedAt: published.TradedAt, EventAt: published.EventAt})
		records = append(records, &kgo.Record{Key: []byte(symbol), Value: value})
	})
	r.must(client.ProduceSync(ctx, records...).FirstErr())
}

// repaired reads the topic of what was repaired: the ids of each symbol, whose
// trades are held against what was published.
func (r *rig) repaired() map[string][]int64 {
	r.t.Helper()
	parsed, err := avro.Parse(schema.Trade)
	r.must(err)
	ids := map[string][]int64{}
	_, err = kafka.Connection{Brokers: []string{brokerAddr}, Dial: r.net.Dial, Log: r.config.Log}.Read(context.Background(), r.config.besideTopic(repairedSuffix), time.Time{},
		func(key, value []byte) error {
			var got row
			if _, err := parsed.Decode(value[schema.HeaderSize:], &got); err != nil {
				return err
			}
			published := r.source.Trade(got.Symbol, got.ID)
			if string(key) != got.Symbol || unscaled(got.Price) != int64(published.Price) || got.TradedAt.UnixMicro() != published.TradedAt || got.BuyerIsMaker != published.BuyerIsMaker {
				return fmt.Errorf("altered: %+v, published %+v", got, published)
			}
			ids[got.Symbol] = append(ids[got.Symbol], got.ID)
			return nil
		})
	if err != nil && !errors.Is(err, kafka.ErrNoTopic) {
		r.t.Fatal(err)
	}
	return ids
}

func (r *rig) mend(o MendOptions) (whole bool, said string) {
	r.t.Helper()
	if o.MaxHoles == 0 {
		o.MaxHoles = MaxHoles
	}
	var out bytes.Buffer
	whole, err := Mend(context.Background(), r.config, o, &out)
	if err != nil {
		r.t.Fatalf("Mend = %v; it said:\n%s", err, &out)
	}
	return whole, out.String()
}

// Holes of any size are filled exactly, each once, in order; a dry run only
// lists them; the next run finds nothing to do.
func TestMendFillsHoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// 20 trades a second for a minute are some 1,200 a symbol at most.
		leftOut := func(symbol string, nth int64) bool {
			return symbol == "BTCUSDT" && (nth == 5 || nth >= 10 && nth < 200) || symbol == "ETHUSDT" && nth >= 50 && nth < 60
		}
		r := holed(t, options{}, leftOut)
		want := map[string][]int64{}
		for _, symbol := range r.config.Symbols {
			first, last := r.published(symbol)
			for id := first; id < last; id++ { // one behind the last is not known to be missing
				if leftOut(symbol, id-first) {
					want[symbol] = append(want[symbol], id)
				}
			}
		}
		whole, said := r.mend(MendOptions{DryRun: true})
		if whole || len(r.repaired()) != 0 || !strings.Contains(said, fmt.Sprintf("BTCUSDT %d-%d: 1 missing\n", want["BTCUSDT"][0], want["BTCUSDT"][0])) {
			t.Errorf("a dry run: whole %v, repaired %v, said:\n%s", whole, r.repaired(), said)
		}
		whole, said = r.mend(MendOptions{})
		if got := r.repaired(); !whole || !reflect.DeepEqual(got, want) {
			t.Errorf("whole %v, repaired %v, want %v; it said:\n%s", whole, got, want, said)
		}
		if !strings.Contains(said, fmt.Sprintf("ETHUSDT %d-%d: 10 found, 0 not there\n", want["ETHUSDT"][0], want["ETHUSDT"][9])) {
			t.Errorf("it said:\n%s", said)
		}
		whole, said = r.mend(MendOptions{})
		if got := r.repaired(); !whole || !reflect.DeepEqual(got, want) || !strings.Contains(said, "nothing is missing") {
			t.Errorf("again: whole %v, said:\n%s", whole, said)
		}
		r.close()
	})
}

// Ids that the exchange does not have are said to be not there; holes beyond
// the limit and symbols that are not asked for are left, and said to be.
func TestMendSaysWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := holed(t, options{}, func(symbol string, nth int64) bool { return symbol == "BTCUSDT" || nth%10 == 5 && nth < 100 })
		first := r.source.FirstID("BTCUSDT")
		r.write(func(put func(string, int64)) { put("BTCUSDT", first-100); put("BTCUSDT", first) })
		all := r.config.Symbols
		r.config.Symbols = []string{"BTCUSDT"}
		whole, said := r.mend(MendOptions{})
		if whole || !strings.Contains(said, fmt.Sprintf("BTCUSDT %d-%d: 0 found, 99 not there\n", first-99, first-1)) || !strings.Contains(said, "records are of symbols that are not in -symbols") {
			t.Errorf("whole %v, said:\n%s", whole, said)
		}
		r.config.Symbols = all
		whole, said = r.mend(MendOptions{MaxHoles: 3, DryRun: true})
		if whole || !strings.Contains(said, "beyond -max-holes 3") || strings.Count(said, " missing\n") != 3 {
			t.Errorf("whole %v, said:\n%s", whole, said)
		}
		r.close()
	})
}

// A run that was cut off in the middle, at any moment, is finished by the next
// one: each trade is there once, in order.
func TestMendGoesOn(t *testing.T) {
	for cut := 500 * time.Millisecond; cut <= 8*time.Second; cut += 1500 * time.Millisecond {
		t.Run(cut.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				leftOut := func(symbol string, nth int64) bool { return nth%20 >= 10 && nth < 400 }
				r := holed(t, options{symbols: []string{"BTCUSDT"}, rate: 50}, leftOut)
				var want []int64
				first, last := r.published("BTCUSDT")
				for id := first; id < last; id++ {
					if leftOut("BTCUSDT", id-first) {
						want = append(want, id)
					}
				}
				ctx, cancel := context.WithTimeout(context.Background(), cut)
				var out bytes.Buffer
				if _, err := Mend(ctx, r.config, MendOptions{MaxHoles: MaxHoles}, &out); err == nil && cut < time.Second {
					t.Error("it was not cut off")
				}
				cancel()
				before := len(r.repaired()["BTCUSDT"])
				whole, said := r.mend(MendOptions{})
				if got := r.repaired()["BTCUSDT"]; !whole || !reflect.DeepEqual(got, want) {
					t.Errorf("whole %v, %d before, repaired %v, want %v; it said:\n%s", whole, before, got, want, said)
				}
				t.Logf("%d of %d before the second run", before, len(want))
				r.close()
			})
		})
	}
}

// Of two at once the older one is fenced and ends with an error; and a broker
// that is away for a while is waited for. Each trade is there once all the same.
func TestMendTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leftOut := func(symbol string, nth int64) bool { return nth%20 >= 10 && nth < 400 }
		r := holed(t, options{symbols: []string{"BTCUSDT"}, rate: 50}, leftOut)
		older := make(chan error, 1)
		go func() {
			_, err := Mend(context.Background(), r.config, MendOptions{MaxHoles: MaxHoles}, io.Discard)
			older <- err
		}()
		time.Sleep(3 * time.Second)
		newer := make(chan error, 1)
		go func() {
			whole, err := Mend(context.Background(), r.config, MendOptions{MaxHoles: MaxHoles}, io.Discard)
			if err == nil && !whole {
				err = errors.New("not whole")
			}
			newer <- err
		}()
		time.Sleep(2 * time.Second)
		r.takeAway(brokerAddr)
		time.Sleep(10 * time.Second)
		r.bringBack(brokerAddr)
		if err := <-older; !errors.Is(err, kerr.InvalidProducerEpoch) && !errors.Is(err, kerr.ProducerFenced) {
			t.Errorf("the older one: %v", err)
		}
		if err := <-newer; err != nil {
			t.Errorf("the newer one: %v", err)
		}
		var want []int64
		first, last := r.published("BTCUSDT")
		for id := first; id < last; id++ {
			if leftOut("BTCUSDT", id-first) {
				want = append(want, id)
			}
		}
		if got := r.repaired()["BTCUSDT"]; !reflect.DeepEqual(got, want) {
			t.Errorf("repaired %v, want %v", got, want)
		}
		r.close()
	})
}

// With the exchange's REST away the holes are left for another run, and said
// to be.
func TestMendWithoutHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := holed(t, options{}, func(symbol string, nth int64) bool { return nth == 5 })
		r.takeAway(restAddr)
		whole, said := r.mend(MendOptions{})
		if whole || strings.Count(said, "0 found, 1 left for another run: ") != 3 {
			t.Errorf("whole %v, said:\n%s", whole, said)
		}
		r.bringBack(restAddr)
		if whole, said := r.mend(MendOptions{}); !whole {
			t.Errorf("it said:\n%s", said)
		}
		r.close()
	})
}
