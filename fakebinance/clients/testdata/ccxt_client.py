"""Prints the trades that ccxt receives; it reconnects when asked again."""
import asyncio
import sys

import ccxt.pro as ccxt

streams, rest, symbol = sys.argv[1:4]
MARKET = "BTC/USDT"


def line(kind, t):
    i = t["info"]
    if kind == "stream":
        return (kind, i["t"], i["p"], i["q"], i["m"], i["T"])
    return (kind, i["a"], i["p"], i["q"], i["m"], i["T"])


async def main():
    exchange = ccxt.binance({
        "apiKey": "none",  # ccxt wants one for historicalTrades; the exchange has needed none since 2023
        "newUpdates": True,
        "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False,
                    "defaultType": "spot"},
    })
    exchange.urls["api"]["public"] = rest + "/api/v3"
    exchange.urls["api"]["ws"]["spot"] = streams + "/ws"
    await exchange.load_markets()
    seen = 0
    while True:
        try:
            trades = await exchange.watch_trades(MARKET)
        except ccxt.NetworkError as e:
            print("note:", e, flush=True)
            await asyncio.sleep(0.2)
            continue
        for t in trades:
            print(*line("stream", t), flush=True)
        before, seen = seen, seen + len(trades)
        if before < 1000 <= seen:
            rows = await exchange.public_get_historicaltrades({
                "symbol": symbol, "limit": 500, "fromId": int(trades[-1]["id"]) - 600})
            for r in rows:
                print("rest", r["id"], r["price"], r["qty"], r["isBuyerMaker"], r["time"], flush=True)


asyncio.run(main())
