"""Prints the trades that python-binance receives; it reconnects by itself."""
import asyncio
import sys

from binance import AsyncClient, BinanceSocketManager

streams, rest, symbol = sys.argv[1:4]
AsyncClient.API_URL = rest + "/api"
BinanceSocketManager.STREAM_URL = streams + "/"


async def main():
    client = await AsyncClient.create()
    seen = 0
    async with BinanceSocketManager(client).trade_socket(symbol) as socket:
        while True:
            e = await socket.recv()
            if e is None:
                continue
            if e["e"] == "error":
                print("note:", e, flush=True)
                continue
            print("stream", e["t"], e["p"], e["q"], e["m"], e["T"], flush=True)
            seen += 1
            if seen == 1000:
                rows = await client.get_historical_trades(symbol=symbol, limit=500, fromId=e["t"] - 600)
                for r in rows:
                    print("rest", r["id"], r["price"], r["qty"], r["isBuyerMaker"], r["time"], flush=True)


asyncio.run(main())
