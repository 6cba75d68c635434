package streamer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"steadfeed/streamer/internal/binance"
)

// fill adds n trades of each of the slots in turn, with ids from 0 on.
func fill(r *recent, from, n int64, slots int) error {
	for id := from; id < from+n; id++ {
		var trades []binance.Trade
		for slot := range slots {
			trades = append(trades, binance.Trade{Slot: slot, ID: id})
		}
		if err := r.add(context.Background(), trades); err != nil {
			return err
		}
	}
	return nil
}

// A reader that joins gets what is kept, and then what comes, each once and in
// order, whatever it reads and when.
func TestRecentEachOnceInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRecent(3)
		before, after := rapid.Int64Range(0, 50).Draw(t, "before"), rapid.Int64Range(0, 50).Draw(t, "after")
		if err := fill(r, 0, before, 3); err != nil {
			t.Fatal(err)
		}
		d := r.join([]*lane{{slot: 0}, {slot: 2}})
		defer d.leave()
		next := map[int]int64{}
		read := func(room int) {
			for _, trade := range d.read(make([]binance.Trade, 0, room)) {
				if trade.Slot == 1 || trade.ID != next[trade.Slot] {
					t.Fatalf("slot %d: id %d, want %d", trade.Slot, trade.ID, next[trade.Slot])
				}
				next[trade.Slot]++
			}
		}
		for id := before; id < before+after; id++ {
			if err := fill(r, id, 1, 3); err != nil {
				t.Fatal(err)
			}
			read(rapid.IntRange(0, 4).Draw(t, "room"))
		}
		read(1000)
		if next[0] != before+after || next[2] != before+after || d.left() != 0 {
			t.Fatalf("read %v of %d, %d left", next, before+after, d.left())
		}
	})
}

// A reader that takes nothing holds the writer up for stallAfter and no longer,
// and then misses the oldest and nothing else. One whose symbols are quiet
// holds nobody up.
func TestRecentLeavesAStalledReaderBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecent(2)
		quiet := r.join([]*lane{{slot: 1}})
		defer quiet.leave()
		stalled := r.join([]*lane{{slot: 0}})
		defer stalled.leave()
		began := time.Now()
		if err := fill(r, 0, maxRecent+1000, 1); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < stallAfter || took > stallAfter+time.Second {
			t.Errorf("the writer was held up for %v, want %v", took, stallAfter)
		}
		if got := r.kept(); got != maxRecent {
			t.Errorf("%d trades kept, limit %d", got, maxRecent)
		}
		got := stalled.read(make([]binance.Trade, 0, 2*maxRecent))
		if len(got) != maxRecent || got[0].ID != 1000 {
			t.Errorf("%d trades from id %d, want %d from 1000", len(got), got[0].ID, maxRecent)
		}
	})
}

// A reader that reads slowly is waited for: nothing is missed.
func TestRecentWaitsForASlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecent(1)
		slow := r.join([]*lane{{slot: 0}})
		defer slow.leave()
		done := make(chan error)
		go func() { done <- fill(r, 0, 2*maxRecent, 1) }()
		next := int64(0)
		for buf := make([]binance.Trade, 0, 1000); next < 2*maxRecent; time.Sleep(stallAfter / 2) {
			for _, trade := range slow.read(buf) {
				if trade.ID != next {
					t.Fatalf("id %d, want %d", trade.ID, next)
				}
				next++
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkRecent(b *testing.B) {
	r := newRecent(1)
	d := r.join([]*lane{{slot: 0}})
	trades, buf := make([]binance.Trade, chunk), make([]binance.Trade, 0, chunk)
	b.ReportAllocs()
	for b.Loop() {
		if err := r.add(context.Background(), trades); err != nil {
			b.Fatal(err)
		}
		buf = d.read(buf)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*chunk), "ns/trade")
}

// A trade's way through the ring costs no allocation.
func TestRecentAllocatesNothing(t *testing.T) {
	r := newRecent(1)
	d := r.join([]*lane{{slot: 0}})
	defer d.leave()
	trades, buf := make([]binance.Trade, chunk), make([]binance.Trade, 0, chunk)
	one := func() {
		if err := r.add(context.Background(), trades); err != nil {
			t.Fatal(err)
		}
		buf = d.read(buf)
	}
	for range 2 * maxRecent / chunk {
		one()
	}
	if n := testing.AllocsPerRun(1000, one); n > 0 {
		t.Errorf("%v allocations for %d trades", n, chunk)
	}
}
