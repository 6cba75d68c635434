package sequence

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestObserve(t *testing.T) {
	type step struct {
		id   int64
		want Standing
	}
	f := func(name string, steps []step, floor int64, gaps ...Gap) {
		t.Helper()
		var tr Tracker
		for _, s := range steps {
			if got := tr.Observe(s.id); got != s.want {
				t.Errorf("%s: Observe(%d) = %v, want %v", name, s.id, got, s.want)
			}
		}
		if got := tr.Floor(); got != floor {
			t.Errorf("%s: Floor() = %d, want %d", name, got, floor)
		}
		if got := tr.Gaps(); !slices.Equal(got, gaps) {
			t.Errorf("%s: Gaps() = %v, want %v", name, got, gaps)
		}
	}
	f("in order", []step{{7, New}, {8, New}, {9, New}}, 10)
	f("id zero", []step{{0, New}, {1, New}, {0, Duplicate}}, 2)
	f("repeated", []step{{7, New}, {7, Duplicate}, {8, New}, {7, Duplicate}}, 9)
	f("below the first", []step{{7, New}, {6, Duplicate}}, 8)
	f("jump", []step{{7, New}, {10, New}}, 8, Gap{8, 9})
	f("jump closed from below", []step{{7, New}, {10, New}, {8, Late}, {9, Late}}, 11)
	f("jump closed from above", []step{{7, New}, {10, New}, {9, Late}, {8, Late}}, 11)
	f("split", []step{{7, New}, {12, New}, {10, Late}}, 8, Gap{8, 9}, Gap{11, 11})
	f("late twice", []step{{7, New}, {10, New}, {8, Late}, {8, Duplicate}}, 9, Gap{9, 9})
	f("two gaps", []step{{1, New}, {3, New}, {6, New}, {4, Late}}, 2, Gap{2, 2}, Gap{5, 5})
}

func TestMissIsAGapUntilObserved(t *testing.T) {
	var tr Tracker
	tr.Miss(4) // nothing observed yet: no account to add it to
	tr.Observe(7)
	tr.Miss(9)
	if g, ok := tr.Gap(); !ok || g != (Gap{8, 9}) {
		t.Fatalf("Gap() = %v, %v, want {8 9}, true", g, ok)
	}
	if got := tr.Observe(8); got != New {
		t.Errorf("Observe(8) = %v, want new", got)
	}
	if got := tr.Observe(9); got != New {
		t.Errorf("Observe(9) = %v, want new", got)
	}
	if g, ok := tr.Gap(); ok {
		t.Errorf("Gap() = %v after all were observed", g)
	}
}

func TestAbandon(t *testing.T) {
	var tr Tracker
	for _, id := range []int64{1, 5, 9} {
		tr.Observe(id)
	}
	if got := tr.Abandon(Gap{3, 7}); got != 4 { // 3, 4, 6, 7
		t.Errorf("Abandon gave up %d ids, want 4", got)
	}
	if got, want := tr.Gaps(), []Gap{{2, 2}, {8, 8}}; !slices.Equal(got, want) {
		t.Errorf("Gaps() = %v, want %v", got, want)
	}
	tr.Miss(12)
	if got := tr.Abandon(Gap{8, 12}); got != 4 { // 8, 10, 11, 12
		t.Errorf("Abandon gave up %d ids, want 4", got)
	}
	if got := tr.Observe(11); got != Duplicate {
		t.Errorf("Observe of a given-up id = %v, want duplicate", got)
	}
	if got := tr.Next(); got != 13 {
		t.Errorf("Next() = %d, want 13", got)
	}
}

func TestGapsAreBounded(t *testing.T) {
	var tr Tracker
	refused := 0
	last := int64(0)
	for i := range int64(MaxGaps + 50) {
		last = 2 * i // every other id is missing
		if tr.Observe(last) == Refused {
			refused++
		}
	}
	if len(tr.gaps) > MaxGaps {
		t.Errorf("%d gaps kept, limit %d", len(tr.gaps), MaxGaps)
	}
	if refused == 0 {
		t.Error("nothing was refused past the limit")
	}
	// What was refused is missing, not forgotten: closing everything in order
	// arrives at the last id.
	for {
		g, ok := tr.Gap()
		if !ok {
			break
		}
		if s := tr.Observe(g.First); s != Late && s != New {
			t.Fatalf("Observe(%d) of an open gap = %v", g.First, s)
		}
	}
	if got := tr.Floor(); got != last+1 {
		t.Errorf("Floor() = %d after closing all gaps, want %d", got, last+1)
	}
}

// Two sessions of the same stream, each with losses, repeats and disorder,
// interleaved in any way, and whatever is missing then fetched: each id from
// the first on is taken exactly once.
func TestAnyInterleavingTakesEachIDOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const n = 60
		wire := rapid.SliceOfN(rapid.Int64Range(0, n-1), 1, 200).Draw(t, "ids as they arrive")
		var tr Tracker
		taken := map[int64]int{}
		for _, id := range wire {
			switch tr.Observe(id) {
			case New, Late:
				taken[id]++
			}
		}
		highest := slices.Max(wire)
		tr.Miss(highest)
		for {
			g, ok := tr.Gap()
			if !ok {
				break
			}
			for id := g.First; id <= g.Last; id++ {
				if s := tr.Observe(id); s != New && s != Late {
					t.Fatalf("missing id %d is %v", id, s)
				}
				taken[id]++
			}
		}
		for id := wire[0]; id <= highest; id++ {
			if taken[id] != 1 {
				t.Fatalf("id %d taken %d times", id, taken[id])
			}
		}
		if tr.Floor() != highest+1 {
			t.Fatalf("Floor() = %d, want %d", tr.Floor(), highest+1)
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	b.ReportAllocs()
	var tr Tracker
	var id int64
	for b.Loop() {
		tr.Observe(id)
		id++
	}
}
