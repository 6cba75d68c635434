package kafka

import (
	"log/slog"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/time/rate"
)

const (
	// sameWarningEvery is how often a warning of the client is passed on again.
	// While brokers are away it repeats several of them many times a second.
	sameWarningEvery = 10 * time.Second
	// warningsKept bounds the warnings remembered for that.
	warningsKept = 64
)

// clientLog passes the client's warnings on, each at most every
// sameWarningEvery.
type clientLog struct {
	log  *slog.Logger
	seen *lru.Cache[string, *rate.Sometimes] // by text
}

func newClientLog(log *slog.Logger) (clientLog, error) {
	seen, err := lru.New[string, *rate.Sometimes](warningsKept)
	return clientLog{log, seen}, err
}

// Level implements kgo.Logger.
func (c clientLog) Level() kgo.LogLevel { return kgo.LogLevelWarn }

// Log implements kgo.Logger.
func (c clientLog) Log(_ kgo.LogLevel, text string, keyvals ...any) {
	sometimes, ok, _ := c.seen.PeekOrAdd(text, &rate.Sometimes{First: 1, Interval: sameWarningEvery})
	if !ok {
		sometimes, _ = c.seen.Get(text)
	}
	if sometimes != nil {
		sometimes.Do(func() { c.log.Warn("kafka client: "+text, keyvals...) })
	}
}
