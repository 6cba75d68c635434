package main

import "time"

// trade is both what is read and, by its avro tags, what is written. The
// decimals stay the text that the exchange sent.
type trade struct {
	Symbol       string `avro:"symbol"`
	ID           int64  `avro:"trade_id"`
	Price        string `avro:"price"`
	Quantity     string `avro:"quantity"`
	BuyerIsMaker bool   `avro:"buyer_is_maker"`
	TradedAt     int64  `avro:"traded_at"` // Unix microseconds, as the two below
	EventAt      int64  `avro:"event_at"`
	ReceivedAt   int64  `avro:"received_at"`
}

// frame is a message of a combined stream. Every key is declared, also those
// that nobody reads: encoding/json matches keys without regard to case where
// no exact one is declared, and "m" and "M" mean different things.
type frame struct {
	Stream string `json:"stream"`
	Trade  struct {
		Kind         string `json:"e"`
		EventAt      int64  `json:"E"`
		Symbol       string `json:"s"`
		ID           int64  `json:"t"`
		Price        string `json:"p"`
		Quantity     string `json:"q"`
		TradedAt     int64  `json:"T"`
		BuyerIsMaker bool   `json:"m"`
		Ignore       bool   `json:"M"`
	} `json:"data"`
}

func (f *frame) trade() trade {
	return trade{
		Symbol: f.Trade.Symbol, ID: f.Trade.ID, Price: f.Trade.Price, Quantity: f.Trade.Quantity,
		BuyerIsMaker: f.Trade.BuyerIsMaker, TradedAt: f.Trade.TradedAt, EventAt: f.Trade.EventAt,
		ReceivedAt: time.Now().UnixMicro(),
	}
}

// row is a trade as REST tells it. It has no event time of its own.
type row struct {
	ID           int64  `json:"id"`
	Price        string `json:"price"`
	Quantity     string `json:"qty"`
	TradedAt     int64  `json:"time"`
	BuyerIsMaker bool   `json:"isBuyerMaker"`
}

func (r *row) trade(symbol string) trade {
	return trade{
		Symbol: symbol, ID: r.ID, Price: r.Price, Quantity: r.Quantity,
		BuyerIsMaker: r.BuyerIsMaker, TradedAt: r.TradedAt, EventAt: r.TradedAt,
		ReceivedAt: time.Now().UnixMicro(),
	}
}
