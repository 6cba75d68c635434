package clients

import (
	"context"
	"strings"
	"testing"

	"github.com/adshao/go-binance/v2"
)

// go-binance offers compression and leaves it to its user to connect again.
func TestGoBinance(t *testing.T) {
	b := newBench(t)
	streams := binance.BaseWsMainURL
	binance.BaseWsMainURL = b.s.WebSocketURL() + "/ws"
	defer func() { binance.BaseWsMainURL = streams }()

	var stop chan struct{}
	connect := func() (done chan struct{}) {
		done, stop, _ = binance.WsTradeServe(symbol, func(e *binance.WsTradeEvent) {
			b.got <- trade{e.TradeID, e.Price, e.Quantity, e.IsBuyerMaker, e.TradeTime}
		}, func(err error) {
			if !strings.Contains(err.Error(), "reset") {
				t.Errorf("go-binance: %v", err)
			}
		})
		if done == nil {
			t.Fatal("go-binance does not connect")
		}
		return done
	}
	done := connect()
	b.receive("at first", enough)

	client := binance.NewClient("", "")
	client.BaseURL = b.s.RESTURL()
	defer client.HTTPClient.CloseIdleConnections()
	from := b.last - 500
	rows, err := client.NewHistoricalTradesService().Symbol(symbol).FromID(from).Limit(500).Do(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		b.rows <- trade{row.ID, row.Price, row.Quantity, row.IsBuyerMaker, row.Time}
	}
	b.history(from, 500)
	info, err := client.NewExchangeInfoService().Symbol(symbol).Do(context.Background())
	if err != nil || len(info.Symbols) != 1 || info.Symbols[0].Status != "TRADING" {
		t.Errorf("exchangeInfo: %+v, %v", info, err)
	}

	reconnected := make(chan struct{})
	go func() {
		defer close(reconnected)
		<-done
		done = connect()
	}()
	b.comeBack()
	<-reconnected
	close(stop)
	<-done
}
