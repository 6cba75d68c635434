package fakebinance

import "strings"

// symbolSpec is what the exchange fixes for a symbol, and where a Market lets
// its price begin.
type symbolSpec struct {
	baseAsset, quoteAsset string
	base                  Decimal // the price around which a Market walks
	tick                  Decimal // price step
	lot                   Decimal // quantity step
}

var knownSymbols = map[string]symbolSpec{
	"BTCUSDT": {base: 83000 * One, tick: One / 100, lot: One / 100000},
	"ETHUSDT": {base: 2700 * One, tick: One / 100, lot: One / 10000},
	"BNBUSDT": {base: 850 * One, tick: One / 100, lot: One / 1000},
	"SOLUSDT": {base: 140 * One, tick: One / 100, lot: One / 1000},
	"XRPUSDT": {base: 2 * One, tick: One / 10000, lot: One / 10},
}

var quoteAssets = []string{"USDT", "USDC", "FDUSD", "TUSD", "BTC", "ETH", "BNB", "EUR", "TRY"}

// specOf returns the spec of any symbol: for one that is not known, a price
// that is fixed by its name.
func specOf(symbol string) symbolSpec {
	spec, known := knownSymbols[symbol]
	if !known {
		spec = symbolSpec{
			base: One/2 + Decimal(seedOf(0, symbol)%uint64(500*One)),
			tick: One / 10000,
			lot:  One / 10,
		}
	}
	spec.baseAsset = symbol
	for _, quote := range quoteAssets {
		if base, ok := strings.CutSuffix(symbol, quote); ok && base != "" {
			spec.baseAsset, spec.quoteAsset = base, quote
			break
		}
	}
	return spec
}
