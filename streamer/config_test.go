package streamer

import (
	"strings"
	"testing"
	"time"
)

func TestDefaultsAreValid(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// All that is wrong is said at once, each with its flag and value.
func TestValidate(t *testing.T) {
	f := func(change func(*Config), want string) {
		t.Helper()
		c := DefaultConfig()
		change(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want %q in it", err, want)
		}
	}
	f(func(c *Config) { c.Symbols = nil }, "-symbols")
	f(func(c *Config) { c.Symbols = []string{"BTC/USDT"} }, `-symbols "BTC/USDT"`)
	f(func(c *Config) { c.Symbols = []string{"btcusdt", "BTCUSDT"} }, "named twice")
	f(func(c *Config) { c.WebSocketURL = []string{"https://stream.binance.com"} }, "-ws-url")
	f(func(c *Config) { c.RESTURL = "api.binance.com" }, "-rest-url")
	f(func(c *Config) { c.KafkaBrokers = []string{"kafka"} }, `-kafka-brokers "kafka"`)
	f(func(c *Config) { c.SchemaRegistryURL = nil }, "-schema-registry-url")
	f(func(c *Config) { c.Topic = "a b" }, "-topic")
	f(func(c *Config) { c.Topic = "{symbol}{symbol}" }, "-topic")
	f(func(c *Config) { c.RotationInterval = 24 * time.Hour }, "-rotation-interval 24h0m0s")
	f(func(c *Config) { c.PingInterval = 29 * time.Second }, "-ping-interval 29s")
	f(func(c *Config) { c.PongTimeout = time.Hour }, "-pong-timeout 1h")
	f(func(c *Config) { c.SerializerCacheSize = 101 }, "-serializer-cache-size 101")
	f(func(c *Config) { c.RESTBudget = 0 }, "-rest-weight-budget 0")
	f(func(c *Config) { c.HTTP = "9091" }, "-http")
	c := DefaultConfig()
	c.Symbols, c.CommitInterval, c.Partitions = nil, -1, 0
	if err := c.Validate(); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("Validate = %v, want three lines", err)
	}
	ok := DefaultConfig()
	ok.Topic = "trades.{symbol}"
	if err := ok.Validate(); err != nil || ok.topicOf("BTCUSDT") != "trades.btcusdt" {
		t.Errorf("topic template: %v, %s", err, ok.topicOf("BTCUSDT"))
	}
}
