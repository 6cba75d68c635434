// Package clients tests that other people's Binance clients take the fake
// exchange for the real one: each subscribes, receives 1,000 trades that are
// compared one by one with those published, fetches history and comes back
// after a disconnect.
//
// It holds tests only, apart from package fakebinance so that importing that
// needs none of these clients.
package clients
