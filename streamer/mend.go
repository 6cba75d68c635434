package streamer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/kafka"
	"steadfeed/streamer/internal/record"
	"steadfeed/streamer/schema"
)

const (
	// MaxHoles is how many holes a Mend keeps in mind unless told otherwise.
	MaxHoles = 10_000
	// MendBudget is its share of the exchange's request weight: it has time, and
	// a streamer may be at work behind the same address.
	MendBudget = 0.2
	// mendTries is how often in a row a request to the exchange may fail before
	// the hole is left for another time: with the pauses between, some minutes.
	mendTries = 12
	// repairName follows the group's name in the transactional id.
	repairName = "-repair"
)

// MendOptions say what to mend.
type MendOptions struct {
	Since    time.Time // when the records to look at were written; zero: all that the topic keeps
	MaxHoles int
	DryRun   bool // list only
}

// Mend looks for ids that the topics of c do not have and fills them from the
// exchange's history into the topic <topic>.repaired, exactly once, with one
// line to w for each hole. What that topic has already is not missing. It takes
// all the time it needs and spends c.RESTBudget of the request weight.
//
// Within a hole trades are in the order of their ids, and so are the holes of a
// symbol. It returns whether nothing is missing any more, or would be; an error
// is what kept it from finding out.
func Mend(ctx context.Context, c Config, o MendOptions, w io.Writer) (whole bool, err error) {
	c.fill()
	m := &mending{c: &c, o: o, w: w, found: searchHoles(c.upperSymbols(), o.MaxHoles)}
	registryTransport := &http.Transport{DialContext: c.Dial, Proxy: c.Proxy}
	defer registryTransport.CloseIdleConnections()
	registry, err := c.registryClient(registryTransport)
	if err != nil {
		return false, err
	}
	m.decoder = record.NewDecoder(registry)
	if m.encoder, err = record.NewEncoder(registry, 1, func() {}); err != nil {
		return false, err
	}
	if m.kafka, err = c.kafka(); err != nil {
		return false, err
	}
	tlsConfig, err := c.tlsConfig()
	if err != nil {
		return false, err
	}
	transport := &http.Transport{DialContext: c.Dial, TLSClientConfig: tlsConfig, Proxy: c.Proxy}
	defer transport.CloseIdleConnections()
	m.history = binance.NewHistory(binance.HistoryOptions{URL: c.RESTURL, Symbols: c.upperSymbols(), Budget: c.RESTBudget, Seed: c.Seed,
		Client: &http.Client{Transport: transport}, Log: c.Log})
	return m.run(ctx)
}

// mending is one run of Mend.
type mending struct {
	c       *Config
	o       MendOptions
	w       io.Writer
	kafka   kafka.Connection
	decoder *record.Decoder
	encoder *record.Encoder
	history *binance.History
	found   *holeSearch

	unreadable int64 // records of which it cannot be told which trade they are of
	others     int64 // of symbols that are not looked at
}

func (m *mending) run(ctx context.Context) (whole bool, err error) {
	for _, topic := range m.c.topics() {
		read, err := m.kafka.Read(ctx, topic, m.o.Since, m.observe(ctx))
		if err != nil {
			return false, fmt.Errorf("look for holes: %w", err)
		}
		fmt.Fprintf(m.w, "%s: %d records read\n", topic, read)
	}
	// Taken before the topic is read: a run that was killed, or still goes on
	// elsewhere, cannot write behind our back.
	beside := m.c.besideTopic(repairedSuffix)
	var aside *kafka.Aside
	if !m.o.DryRun && m.found.count > 0 {
		if aside, err = m.kafka.OpenAside(ctx, beside, m.c.Group+repairName, m.c.Partitions, m.c.ReplicationFactor); err != nil {
			return false, fmt.Errorf("open topic %s: %w", beside, err)
		}
		defer aside.Close()
	}
	if m.found.count > 0 {
		read, err := m.kafka.Read(ctx, beside, time.Time{}, m.observe(ctx))
		if err != nil && !errors.Is(err, kafka.ErrNoTopic) {
			return false, fmt.Errorf("look for what is repaired: %w", err)
		}
		fmt.Fprintf(m.w, "%s: %d records read\n", beside, read)
	}
	m.remark()
	whole = m.found.beyond == 0 && m.unreadable == 0
	for _, h := range m.found.list() {
		if m.o.DryRun {
			fmt.Fprintf(m.w, "%s %d-%d: %d missing\n", h.symbol, h.first, h.last, h.size())
			whole = false
			continue
		}
		found, err := m.fill(ctx, aside, h)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		var away *historyAwayError
		if err != nil && !errors.As(err, &away) {
			return false, fmt.Errorf("fill %s %d-%d: %w", h.symbol, h.first, h.last, err)
		}
		switch left := h.size() - found; {
		case err != nil:
			fmt.Fprintf(m.w, "%s %d-%d: %d found, %d left for another run: %v\n", h.symbol, h.first, h.last, found, left, err)
			whole = false
		default:
			fmt.Fprintf(m.w, "%s %d-%d: %d found, %d not there\n", h.symbol, h.first, h.last, found, left)
			whole = whole && left == 0
		}
	}
	if m.found.count == 0 && whole {
		fmt.Fprintln(m.w, "nothing is missing")
	}
	return whole, nil
}

// remark says what was not looked at.
func (m *mending) remark() {
	if m.others > 0 {
		fmt.Fprintf(m.w, "%d records are of symbols that are not in -symbols\n", m.others)
	}
	if m.unreadable > 0 {
		fmt.Fprintf(m.w, "%d records are not readable, so their ids count as missing\n", m.unreadable)
	}
	if m.found.beyond > 0 {
		fmt.Fprintf(m.w, "%d more holes with %d ids are beyond -max-holes %d: run again, or with -symbols\n", m.found.beyond, m.found.missed, m.o.MaxHoles)
	}
}

// observe takes one record of a topic.
func (m *mending) observe(ctx context.Context) func(key, value []byte) error {
	return func(_, value []byte) error {
		var symbol string
		var id int64
		err := retry(ctx, m.c.Log, registryRetry, func() (err error) {
			if symbol, id, _, err = m.decoder.Trade(ctx, value); errors.Is(err, record.ErrUnreadable) {
				m.unreadable++
				symbol, err = "", nil
			}
			return err
		})
		if err != nil {
			return err
		}
		if symbol != "" && !m.found.observe(symbol, id) {
			m.others++
		}
		return nil
	}
}

// historyAwayError is why a hole is left for another run.
type historyAwayError struct{ cause error }

func (e *historyAwayError) Error() string { return e.cause.Error() }
func (e *historyAwayError) Unwrap() error { return e.cause }

// fill fetches a hole piece by piece and writes each piece in a transaction. It
// returns how many trades it has written.
func (m *mending) fill(ctx context.Context, aside *kafka.Aside, h hole) (written int64, err error) {
	for from := h.first; from <= h.last; {
		trades, err := m.fetch(ctx, h, from)
		if err != nil {
			return written, err
		}
		if len(trades) == 0 { // nothing from here on
			break
		}
		from = trades[len(trades)-1].ID + 1
		records, err := m.encode(ctx, trades, h)
		if err != nil {
			return written, err
		}
		if len(records) == 0 {
			break // the history begins beyond the hole
		}
		if err := aside.Write(ctx, records); err != nil {
			return written, err
		}
		written += int64(len(records))
	}
	return written, nil
}

// fetch asks the history for the trades of h from an id on, until it answers.
// An answer that begins above that id is believed when it comes again.
func (m *mending) fetch(ctx context.Context, h hole, from int64) ([]binance.Trade, error) {
	var slot int
	for i, symbol := range m.c.upperSymbols() {
		if symbol == h.symbol {
			slot = i
		}
	}
	limit := int(min(h.last-from+1, binance.HistoryLimit))
	for failures, above := 0, 0; ; {
		trades, err := m.history.Trades(ctx, slot, from, limit)
		var wait time.Duration
		switch {
		case err != nil:
			wait = m.history.Delay(failures, err)
			if failures++; failures == mendTries {
				return nil, &historyAwayError{err}
			}
			m.c.Log.Warn(err.Error(), "retry_in", wait)
		case above < goneTries && (len(trades) == 0 || trades[len(trades)-1].ID-from+1 != int64(len(trades))):
			above++
			wait = gonePause
		default:
			return trades, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// encode makes the records of those trades that are in h.
func (m *mending) encode(ctx context.Context, trades []binance.Trade, h hole) (records []*kgo.Record, err error) {
	subject := schema.Subject(m.c.besideTopic(repairedSuffix))
	if err := retry(ctx, m.c.Log, registryRetry, func() error { return m.encoder.Prepare(ctx, subject) }); err != nil {
		return nil, err
	}
	for i := range trades {
		if trades[i].ID > h.last {
			break
		}
		value, _ := m.encoder.Append(nil, subject, &trades[i])
		records = append(records, &kgo.Record{Key: []byte(h.symbol), Value: value})
	}
	return records, nil
}
