package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"steadfeed/fakebinance"
	"steadfeed/streamer/schema"
)

// The flaws that are no single trade's need an exchange or a Kafka to show.

// exchange is a market of one symbol with a session every so often reset.
func exchange(t *testing.T) *fakebinance.Server {
	t.Helper()
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{Seed: 3, Symbols: []string{"BTCUSDT"}, Rate: 2000, Start: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	server, err := fakebinance.New(fakebinance.Options{Source: market})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	server.Start()
	return server
}

// hole is a jump in the ids that a feed passed on.
type hole struct{ first, last int64 }

// listen runs a feed until a condition on its sessions and trades holds, and
// returns the jumps in what it passed on and those that it confessed.
func listen(t *testing.T, kind string, server *fakebinance.Server, rotation time.Duration, until func(reconnects int) bool) (jumps, confessed []hole) {
	t.Helper()
	settings := settings{
		symbols: []string{"BTCUSDT"}, wsURL: server.WebSocketURL(), restURL: server.RESTURL(), rotation: rotation,
		pingInterval: time.Minute, pongTimeout: time.Minute, staleTimeout: time.Minute,
	}
	var log logs
	figures := newFigures()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var last int64
	after := 0 // trades passed on in the session that is open
	seen := 0
	f, err := newFeed(kind, settings, figures, slog.New(slog.NewJSONHandler(&log, nil)), map[string]int64{}, func(got trade) {
		if last != 0 && got.ID != last+1 {
			jumps = append(jumps, hole{last + 1, got.ID - 1})
		}
		last = got.ID
		if n := int(counted(t, figures, "binance_reconnects_total")); n != seen {
			seen, after = n, 0
		}
		if after++; after > 100 && until(seen) {
			cancel()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.run(ctx); err != nil {
		t.Fatal(err)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Fatalf("%s: not done in time", kind)
	}
	for _, line := range log.lines() {
		var said struct {
			Text  string `json:"msg"`
			First int64  `json:"trade_id"`
			Last  int64  `json:"last_trade_id"`
		}
		if json.Unmarshal([]byte(line), &said) == nil && said.Text == "flaw: the canary does not repair" {
			confessed = append(confessed, hole{said.First, said.Last})
		}
	}
	return jumps, confessed
}

func counted(t *testing.T, figures *figures, name string) float64 {
	t.Helper()
	families, err := figures.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return 0
}

// logs keeps what is logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(l.text.String(), "\n")
}

// cutOnce resets the session that is open when it is first asked, and holds
// when another one has taken its place.
func cutOnce(t *testing.T, server *fakebinance.Server) func(int) bool {
	done := false
	return func(reconnects int) bool {
		if !done {
			done = true
			injection, err := server.Begin(fakebinance.Fault{Kind: fakebinance.KindReset, Target: fakebinance.TargetOpen})
			if err != nil {
				t.Error(err)
				return true
			}
			injection.End() // a reset is over as soon as it began
		}
		return reconnects > 0
	}
}

func TestUnrepairedLeavesAHole(t *testing.T) {
	server := exchange(t)
	if jumps, confessed := listen(t, none, server, 0, cutOnce(t, server)); len(jumps) > 0 || len(confessed) > 0 {
		t.Errorf("the flawless one left %v and confessed %v", jumps, confessed)
	}
	jumps, confessed := listen(t, unrepaired, server, 0, cutOnce(t, server))
	if len(jumps) != 1 || len(confessed) != 1 || jumps[0] != confessed[0] {
		t.Errorf("left %v, confessed %v", jumps, confessed)
	}
}

func TestBreakFirstLosesAtRotations(t *testing.T) {
	server := exchange(t)
	jumps, confessed := listen(t, breakFirst, server, 100*time.Millisecond, func(reconnects int) bool { return reconnects >= 5 })
	if len(jumps) == 0 || len(jumps) != len(confessed) {
		t.Errorf("left %v, confessed %v", jumps, confessed)
	}
	// Another end of a session is repaired as by the flawless one.
	if jumps, _ := listen(t, breakFirst, server, time.Minute, cutOnce(t, server)); len(jumps) > 0 {
		t.Errorf("left %v without a rotation", jumps)
	}
}

// An exchange that cannot be reached for an hour is dialled all that time by
// the flawless one. The other one does not end: a process that ends is noticed.
func TestGivesUpAfterTenReconnects(t *testing.T) {
	const patience = 10
	dials := func(kind string) (n int) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			f, err := newFeed(kind, settings{symbols: []string{"BTCUSDT"}, wsURL: "ws://nowhere.test"}, newFigures(),
				slog.New(slog.DiscardHandler), map[string]int64{}, func(trade) {})
			if err != nil {
				t.Fatal(err)
			}
			f.patience = patience
			f.dialer.NetDialContext = func(context.Context, string, string) (net.Conn, error) {
				n++
				return nil, errors.New("no route")
			}
			if err := f.run(ctx); err != nil {
				t.Error(err)
			}
			if ctx.Err() == nil {
				t.Error("it ended")
			}
		})
		return n
	}
	if n := dials(givesUp); n != patience+1 {
		t.Errorf("%d dials, want the first and %d more", n, patience)
	}
	if n := dials(none); n < 1000 {
		t.Errorf("the flawless one dialled %d times in an hour", n)
	}
}

// kafka is a Kafka and a registry with nothing in them.
func kafka(t *testing.T) settings {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	registry := srfake.New()
	t.Cleanup(func() { cluster.Close(); registry.Close() })
	return settings{brokers: cluster.ListenAddrs(), registry: registry.URL(), topic: schema.Topic}
}

func open(t *testing.T, kind string, settings settings) (*topic, map[string]int64) {
	t.Helper()
	opened, err := openTopic(t.Context(), kind, settings, newFigures())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.close)
	next, err := opened.resume(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return opened, next
}

func sung(symbol string, id int64) trade {
	return trade{Symbol: symbol, ID: id, Price: "61837.63000000", Quantity: "1.00000000", TradedAt: 1, EventAt: 1, ReceivedAt: 1}
}

// committed waits for n records of the topic, as a consumer does, and returns
// how many it got.
func committed(t *testing.T, settings settings, n int) (got int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(settings.brokers...), kgo.ConsumeTopics(settings.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for got < n && ctx.Err() == nil {
		got += client.PollFetches(ctx).NumRecords()
	}
	return got
}

func TestForgetsResumesNothing(t *testing.T) {
	settings := kafka(t)
	first, next := open(t, none, settings)
	if len(next) > 0 {
		t.Errorf("an empty topic resumes %v", next)
	}
	for id := range int64(200) {
		first.produce(sung("BTCUSDT", 100+id))
		first.produce(sung("ETHUSDT", 500+id))
	}
	if err := first.drain(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if _, next := open(t, none, settings); len(next) != 2 || next["BTCUSDT"] != 300 || next["ETHUSDT"] != 700 {
		t.Errorf("resumes %v", next)
	}
	if _, next := open(t, forgets, settings); len(next) != 0 {
		t.Errorf("the one that forgets resumes %v", next)
	}
}

// The second copy fences the first, whose next transaction fails; without the
// fence both write on.
func TestBothSidesDeliverWithoutAFence(t *testing.T) {
	settings := kafka(t)
	old, _ := open(t, none, settings)
	old.produce(sung("BTCUSDT", 1))
	await(t, old.figures, 1)
	replacement, _ := open(t, none, settings)
	old.produce(sung("BTCUSDT", 2))
	select {
	case err := <-old.failed:
		if !errors.Is(err, errReplaced) {
			t.Errorf("the old copy: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the old copy was not stopped")
	}
	replacement.produce(sung("BTCUSDT", 2))
	if err := replacement.drain(10 * time.Second); err != nil {
		t.Error(err)
	}
	close(old.trades)
	<-old.written

	settings = kafka(t)
	old, _ = open(t, both, settings)
	replacement, _ = open(t, both, settings)
	for _, side := range []*topic{old, replacement} {
		side.produce(sung("BTCUSDT", 1))
		if err := side.drain(10 * time.Second); err != nil {
			t.Error(err)
		}
	}
	if got := committed(t, settings, 2); got != 2 {
		t.Errorf("%d records of two copies", got)
	}
}

// await waits until so many records were acknowledged.
func await(t *testing.T, figures *figures, n float64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); counted(t, figures, "kafka_messages_produced_total") < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not acknowledged in time")
		}
	}
}
