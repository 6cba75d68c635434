package audit

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"steadfeed/soak"
)

// Any way of deleting, repeating, moving and altering the records of a clean
// history is accounted for exactly: the counts equal those of a model that
// remembers every id it has seen.
func TestAnyEditIsAccountedFor(t *testing.T) {
	base := newRig(t, 50, "BTCUSDT")
	const n = 60
	first := base.market.FirstID("BTCUSDT")
	base.book.last["BTCUSDT"] = first + n - 1
	clean := base.history("BTCUSDT")

	rapid.Check(t, func(t *rapid.T) {
		h := slices.Clone(clean)
		for range rapid.IntRange(0, 20).Draw(t, "edits") {
			if len(h) == 0 {
				break
			}
			at := rapid.IntRange(0, len(h)-1).Draw(t, "at")
			switch rapid.SampledFrom([]string{"delete", "repeat", "move", "alter"}).Draw(t, "edit") {
			case "delete":
				h = slices.Delete(h, at, at+1)
			case "repeat":
				h = slices.Insert(h, rapid.IntRange(0, len(h)).Draw(t, "to"), h[at])
			case "move":
				record := h[at]
				h = slices.Delete(h, at, at+1)
				h = slices.Insert(h, rapid.IntRange(0, len(h)).Draw(t, "to"), record)
			case "alter":
				h[at].Trade.Price++
			}
		}

		r := newRig(base, 50, "BTCUSDT")
		r.book.last["BTCUSDT"] = first + n - 1
		r.observe(h)
		if got, want := r.Now(second(100)).Behind, n-int64(distinct(h)); got != want {
			t.Fatalf("behind %d, want %d", got, want)
		}
		l := r.Ledger()
		want, lost := model(base, h, first, n)
		if got := l.Accounts[0]; got != want {
			t.Fatalf("account\n got %+v\nwant %+v", got, want)
		}
		var named []int64
		for _, f := range l.Findings {
			for id := f.FirstID; f.Guarantee == soak.Complete && id <= f.LastID; id++ {
				named = append(named, id)
			}
		}
		if l.FindingsOmitted == 0 && !slices.Equal(named, lost) {
			t.Fatalf("findings name %v as lost, want %v", named, lost)
		}
	})
}

func distinct(h []Record) int {
	seen := map[int64]bool{}
	for _, record := range h {
		seen[record.Trade.ID] = true
	}
	return len(seen)
}

// model accounts for a history the plain way.
func model(r *rig, h []Record, first, n int64) (a soak.Account, lost []int64) {
	a = soak.Account{Symbol: "BTCUSDT", FirstID: first, LastID: first + n - 1, Published: n}
	seen := map[int64]bool{}
	highest := first - 1
	for _, record := range h {
		id := record.Trade.ID
		if record.Trade != r.market.Trade("BTCUSDT", id) {
			a.Altered++
		}
		switch {
		case seen[id]:
			a.Duplicate++
			continue
		case id < highest:
			a.Disordered++
		}
		seen[id] = true
		highest = max(highest, id)
	}
	for id := first; id < first+n; id++ {
		if !seen[id] {
			lost = append(lost, id)
		}
	}
	a.Lost, a.Delivered = int64(len(lost)), int64(len(seen))
	return a, lost
}

// The histogram's quantiles are within 2 % of the exact ones.
func TestHistogramIsPrecise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, maxLag), 1, 200).Draw(t, "values")
		var h histogram
		for _, v := range values {
			h.add(v)
		}
		slices.Sort(values)
		for _, q := range []float64{0, 0.5, 0.99, 1} {
			exact := values[max(0, int(float64(len(values))*q+0.999999999)-1)]
			if got := h.quantile(q); float64(got) < 0.98*float64(exact) || float64(got) > 1.02*float64(exact) {
				t.Fatalf("quantile %g is %d, exactly %d", q, got, exact)
			}
		}
		if h.max != values[len(values)-1] {
			t.Fatalf("max %d", h.max)
		}
	})
}
