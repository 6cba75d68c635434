package fakebinance

import (
	"encoding/json"
	"net/http"
	"slices"
)

type symbolFilter struct {
	Type     string `json:"filterType"`
	MinPrice string `json:"minPrice,omitempty"`
	MaxPrice string `json:"maxPrice,omitempty"`
	TickSize string `json:"tickSize,omitempty"`
	MinQty   string `json:"minQty,omitempty"`
	MaxQty   string `json:"maxQty,omitempty"`
	StepSize string `json:"stepSize,omitempty"`
}

type symbolEntry struct {
	Symbol         string         `json:"symbol"`
	Status         string         `json:"status"`
	BaseAsset      string         `json:"baseAsset"`
	BasePrecision  int            `json:"baseAssetPrecision"`
	QuoteAsset     string         `json:"quoteAsset"`
	QuotePrecision int            `json:"quoteAssetPrecision"`
	SpotAllowed    bool           `json:"isSpotTradingAllowed"`
	Filters        []symbolFilter `json:"filters"`
}

type rateLimit struct {
	Type     string `json:"rateLimitType"`
	Interval string `json:"interval"`
	Num      int    `json:"intervalNum"`
	Limit    int    `json:"limit"`
}

// exchangeInfo describes one symbol, those of a JSON array, or all.
func (s *Server) exchangeInfo(r *restRequest) ([]byte, error) {
	symbols := s.options.Source.Symbols()
	wanted := r.query.Get("symbolStatus")
	if wanted != "" && !symbolStatuses[wanted] {
		return nil, &restError{http.StatusBadRequest, -1130, "Data sent for parameter 'symbolStatus' is not valid."}
	}
	named := r.query.Has("symbol") || r.query.Has("symbols")
	switch {
	case wanted != "" && named, r.query.Has("permissions") && named, r.query.Has("symbol") && r.query.Has("symbols"):
		return nil, &restError{http.StatusBadRequest, -1128, "Combination of optional parameters invalid."}
	case r.query.Has("symbol"):
		symbol, err := s.symbol(r)
		if err != nil {
			return nil, err
		}
		symbols = []string{symbol}
	case r.query.Has("symbols"):
		symbols = nil
		if err := json.Unmarshal([]byte(r.query.Get("symbols")), &symbols); err != nil {
			return nil, &restError{http.StatusBadRequest, -1100, `Illegal characters found in parameter 'symbols'; legal range is '^\[("[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}){0,1}\]$'.`}
		}
		for _, symbol := range symbols {
			if err := s.known(symbol); err != nil {
				return nil, err
			}
		}
		slices.Sort(symbols)
		symbols = slices.Compact(symbols)
	}
	answer := struct {
		Timezone        string        `json:"timezone"`
		ServerTime      int64         `json:"serverTime"`
		RateLimits      []rateLimit   `json:"rateLimits"`
		ExchangeFilters []any         `json:"exchangeFilters"`
		Symbols         []symbolEntry `json:"symbols"`
	}{
		Timezone:        "UTC",
		ServerTime:      r.time(s.now().UnixMicro()),
		RateLimits:      []rateLimit{{"REQUEST_WEIGHT", "MINUTE", 1, s.addresses.limit}, {"RAW_REQUESTS", "MINUTE", 5, 300000}},
		ExchangeFilters: []any{},
		Symbols:         []symbolEntry{},
	}
	for _, symbol := range symbols {
		entry := entryOf(symbol)
		entry.Status = s.statusOf(symbol)
		if wanted == "" || wanted == entry.Status {
			answer.Symbols = append(answer.Symbols, entry)
		}
	}
	return json.Marshal(answer)
}

func entryOf(symbol string) symbolEntry {
	spec := specOf(symbol)
	const largest = 1e6 * One
	return symbolEntry{
		Symbol:    symbol,
		BaseAsset: spec.baseAsset, BasePrecision: decimalDigits,
		QuoteAsset: spec.quoteAsset, QuotePrecision: decimalDigits,
		SpotAllowed: true,
		Filters: []symbolFilter{
			{Type: "PRICE_FILTER", MinPrice: spec.tick.String(), MaxPrice: largest.String(), TickSize: spec.tick.String()},
			{Type: "LOT_SIZE", MinQty: spec.lot.String(), MaxQty: largest.String(), StepSize: spec.lot.String()},
		},
	}
}
