package audit

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"steadfeed/soak"
)

// A partition that is far ahead of another in time waits, and what waits is
// bounded.
func TestMergeReadsInTheOrderOfTimeAndHoldsBack(t *testing.T) {
	p := newPipeline(t)
	const each = 2 * queueRecords
	var records []*kgo.Record
	value := make([]byte, 100)
	for i := range each {
		records = append(records,
			&kgo.Record{Partition: 0, Value: value, Timestamp: time.UnixMilli(2_000_000_000_000 + int64(i))},
			&kgo.Record{Partition: 1, Value: value, Timestamp: time.UnixMilli(1_000_000_000_000 + int64(i))})
	}
	p.make("skewed", 2, records, kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(16<<10))
	m, err := openMerge(t.Context(), "skewed", 0, 0, []kgo.Opt{kgo.SeedBrokers(p.cluster.ListenAddrs()...)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	var last time.Time
	taken, most := 0, 0
	take := func(_ *queue, r *kgo.Record) error {
		if r.Timestamp.Before(last) {
			return fmt.Errorf("%s after %s", r.Timestamp, last)
		}
		last = r.Timestamp
		taken++
		most = max(most, len(m.queues[0].records))
		return nil
	}
	if err := m.run(t.Context(), take, func() {}); err != nil {
		t.Fatal(err)
	}
	if taken != 2*each {
		t.Errorf("%d records taken of %d", taken, 2*each)
	}
	// A fetch or two of 5,000 records may come on top.
	if most > queueRecords+15_000 || most < queueRecords {
		t.Errorf("%d records waited", most)
	}
}

// The end of a partition can be offsets without records, as compaction leaves
// them. The others do not wait for it for ever.
func TestMergeEndsWhereNothingIsLeft(t *testing.T) {
	p := newPipeline(t)
	var records []*kgo.Record
	for i := range int32(100) {
		records = append(records, &kgo.Record{Partition: i % 2, Value: []byte("x"), Timestamp: time.UnixMilli(int64(i + 1))})
	}
	p.make("hollow", 2, records, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	m, err := openMerge(t.Context(), "hollow", 0, 0, []kgo.Opt{kgo.SeedBrokers(p.cluster.ListenAddrs()...)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	m.quiet = 100 * time.Millisecond
	m.queues[0].End += 3
	taken := 0
	if err := m.run(t.Context(), func(*queue, *kgo.Record) error { taken++; return nil }, func() {}); err != nil || taken != 100 {
		t.Errorf("%d taken of 100: %v", taken, err)
	}
	if q := m.queues[0]; q.Next != q.End {
		t.Errorf("read to %d of %d", q.Next, q.End)
	}
}

// What comes after the end that was seen at the start is left alone, unless
// the audit is to follow.
func TestInspectionFollows(t *testing.T) {
	p := newPipeline(t)
	var records []*kgo.Record
	for _, trade := range p.trades(200) {
		records = append(records, p.avro(trade))
	}
	f := func(topic string, follow time.Duration, want int64) {
		t.Helper()
		p.make(topic, 2, clone(records[:300])) // a record remembers its topic
		client := p.producer(t, kgo.DefaultProduceTopic(topic))
		var more atomic.Bool
		l, course := p.inspect(soak.Topic{Name: topic, Follow: soak.Duration(follow)}, func(i *Inspection) {
			i.OnProgress = func(Progress) {
				if !more.Swap(true) {
					if err := client.ProduceSync(t.Context(), clone(records[300:])...).FirstErr(); err != nil {
						t.Error(err)
					}
				}
			}
		})
		if l.Reading.Records != want || len(l.Findings) > 0 || l.Reading.Unfinished != "" || course.Trouble != "" {
			t.Errorf("%s: reading %+v, findings %v, trouble %q", topic, l.Reading, l.Findings, course.Trouble)
		}
	}
	f("to-the-end", 0, 300)
	f("followed", 2*time.Second, 600)
}

func clone(records []*kgo.Record) (list []*kgo.Record) {
	for _, r := range records {
		list = append(list, &kgo.Record{Key: r.Key, Value: r.Value, Timestamp: r.Timestamp})
	}
	return list
}

// JSON behind the registry's header is read as JSON.
func TestInspectionOfRegisteredJSON(t *testing.T) {
	p := newPipeline(t)
	client, err := sr.NewClient(sr.URLs(p.registry.URL()))
	if err != nil {
		t.Fatal(err)
	}
	registered, err := client.CreateSchema(t.Context(), "json-value", sr.Schema{Type: sr.TypeJSON, Schema: `{"type":"object"}`})
	if err != nil {
		t.Fatal(err)
	}
	var records []*kgo.Record
	for _, trade := range p.trades(20) {
		r := combined(trade)
		framed, _ := (&sr.ConfluentHeader{}).AppendEncode(nil, registered.ID, nil)
		r.Value = append(framed, r.Value...)
		records = append(records, r)
	}
	p.make("registered", 1, records)
	if l, _ := p.inspect(soak.Topic{Name: "registered"}); l.Reading.Unreadable != 0 || len(l.Accounts) != 3 || lostOf(l) != 0 {
		t.Errorf("reading %+v", l.Reading)
	}
}

// answers is an exchange as far as its answers go.
type answers func(*http.Request) (status int, header http.Header, body string)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) {
	status, header, body := f(r)
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// Questions cost what the budget allows and no more, wait when others have
// used up the minute, and wait as long as they are told to.
func TestQuestionsKeepToTheBudget(t *testing.T) {
	const one = `[{"id":1,"price":"1","qty":"1","time":1,"isBuyerMaker":true}]`
	f := func(what string, n int, perMinute float64, within time.Duration, answer func(n int) (int, http.Header), took time.Duration, failed bool) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			e := newExchange("https://exchange.test", &http.Client{Transport: answers(func(*http.Request) (int, http.Header, string) {
				asked++
				status, header := answer(asked)
				return status, header, one
			})}, perMinute)
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			began := time.Now()
			var err error
			for range n {
				if _, err = e.page(ctx, "btc-usdt", 1); err != nil {
					break
				}
			}
			if got := time.Since(began).Round(time.Millisecond); (err != nil) != failed || got != took {
				t.Errorf("%s: took %s, %v; want %s", what, got, err, took)
			}
			if e.weight != asked*pageWeight {
				t.Errorf("%s: weight %d for %d questions", what, e.weight, asked)
			}
		})
	}
	good := func(int) (int, http.Header) { return 200, nil }
	first := func(status int, header http.Header) func(int) (int, http.Header) {
		return func(n int) (int, http.Header) {
			if n == 1 {
				return status, header
			}
			return 200, nil
		}
	}
	f("half the limit", 121, 3000, time.Hour, good, time.Minute, false)
	f("out of time", 121, 3000, 10*time.Second, good, 10*time.Second, true)
	f("told to wait", 2, 6000, time.Hour, first(429, http.Header{"Retry-After": {"90"}}), 90*time.Second+250*time.Millisecond, false)
	f("banned for longer than there is", 1, 6000, time.Minute, first(418, http.Header{"Retry-After": {"120"}}), 0, true)
	f("used up by others", 2, 6000, time.Hour, first(200, http.Header{"X-Mbx-Used-Weight-1m": {"5900"}}), 61*time.Second, false)
	f("refused", 1, 6000, time.Hour, first(403, nil), 0, true)
	f("trouble of its own", 1, 6000, time.Hour, first(502, nil), 500*time.Millisecond, false)
}
