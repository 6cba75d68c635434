package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"steadfeed/fakebinance"
	"steadfeed/soak"
)

// Each planted fault is found, and nothing else, in topics of any shape: the
// whole sample is compared, so the altered trade must be in it.
func TestInspectionFindsWhatWasPlanted(t *testing.T) {
	p := newPipeline(t)
	const each = 1500
	trades, did := plant(p.trades(each))
	encode := func(with func(fakebinance.Trade) *kgo.Record) (records []*kgo.Record) {
		for _, trade := range trades {
			records = append(records, with(trade))
		}
		return records
	}
	bare := func(t fakebinance.Trade) *kgo.Record { // a symbol in the key only, numbers as JSON has them, RFC 3339
		value := fmt.Sprintf(`{"nr":%d,"px":%s,"amount":%s,"at":%q,"note":"t"}`, t.ID, t.Price, t.Quantity, time.UnixMicro(t.TradedAt).UTC().Format(time.RFC3339Nano))
		return &kgo.Record{Key: []byte(t.Symbol), Value: []byte(value), Timestamp: time.UnixMicro(t.EventAt)}
	}
	foreign := avro.MustParse(`{"type":"record","name":"Tick","namespace":"other","fields":[
		{"name":"pair","type":["null","string"],"default":null},{"name":"extra","type":{"type":"array","items":"string"}},
		{"name":"tradeId","type":"string"},{"name":"price","type":"double"},{"name":"qty","type":["null","string"]},
		{"name":"tradeTime","type":{"type":"long","logicalType":"timestamp-millis"}}]}`)
	foreignID := p.register(t, foreign.String())
	tick := func(tr fakebinance.Trade) *kgo.Record {
		price, _ := strconv.ParseFloat(tr.Price.String(), 64)
		body, err := foreign.Encode(map[string]any{"pair": strings.ToLower(tr.Symbol[:3] + "-" + tr.Symbol[3:]), "extra": []string{"a", "b"},
			"tradeId": strconv.FormatInt(tr.ID, 10), "price": price, "qty": tr.Quantity.String(), "tradeTime": time.UnixMicro(tr.TradedAt)})
		if err != nil {
			t.Fatal(err)
		}
		framed, _ := (&sr.ConfluentHeader{}).AppendEncode(nil, foreignID, nil)
		return &kgo.Record{Key: []byte(tr.Symbol), Value: append(framed, body...), Timestamp: time.UnixMicro(tr.EventAt)}
	}
	f := func(name string, topic soak.Topic, with func(fakebinance.Trade) *kgo.Record, compared string) {
		t.Helper()
		topic.Name, topic.REST, topic.Sample = name, p.exchange.RESTURL(), 4*each
		p.make(name, 3, encode(with))
		l, course := p.inspect(topic)
		want := []string{
			finding(soak.Complete, did.lost), finding(soak.Unique, did.repeated),
			finding(soak.Ordered, did.swapped), finding(soak.Faithful, did.altered),
		}
		if name == "ticks" {
			for i, s := range want {
				for _, symbol := range p.market.Symbols() {
					s = strings.ReplaceAll(s, symbol, strings.ToLower(symbol[:3]+"-"+symbol[3:]))
				}
				want[i] = s
			}
		}
		slices.Sort(want)
		if got := foundIn(l); !slices.Equal(got, want) || course.Trouble != "" {
			t.Errorf("%s: found %q, want %q; trouble %q", name, got, want, course.Trouble)
		}
		r := l.Reading
		if r.Records != 3*each || r.Compared != r.Sampled || r.Compared != 3*each-1 || r.HolesAsked != 1 || r.HolesUnasked != 0 {
			t.Errorf("%s: reading %+v", name, r)
		}
		if got := strings.Join(r.Fields, " "); got != compared {
			t.Errorf("%s: compared %q, want %q", name, got, compared)
		}
		for _, a := range l.Accounts {
			if a.Published != a.Delivered+a.Lost || a.LastID-a.FirstID+1 != a.Published {
				t.Errorf("%s: account %+v", name, a)
			}
		}
	}
	f("ours", soak.Topic{}, p.avro, "price quantity time maker")
	f("frames", soak.Topic{}, combined, "price quantity time maker")
	f("ticks", soak.Topic{}, tick, "price quantity time")
	f("bare", soak.Topic{Format: FormatJSON, Fields: map[string]string{"id": "nr", "price": "px", "time": "at"}}, bare, "price quantity time")
}

// Where records have no key a symbol is spread over the partitions. That is
// one disordered trade for each further partition; the rest is as exact as
// anywhere, since partitions are read in the order of time.
func TestInspectionOfASymbolInManyPartitions(t *testing.T) {
	p := newPipeline(t)
	trades, did := plant(p.trades(2000))
	var records []*kgo.Record
	for i, trade := range trades {
		r := combined(trade)
		r.Key, r.Partition = nil, int32(i/49%4)
		r.Timestamp = time.UnixMilli(1_700_000_000_000 + int64(i)) // as a producer in order stamps them
		records = append(records, r)
	}
	p.make("keyless", 4, records, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	l, _ := p.inspect(soak.Topic{Name: "keyless"})
	if d := lostOf(l); d != 1 {
		t.Errorf("%d lost", d)
	}
	got := foundIn(l)
	for _, want := range []string{finding(soak.Complete, did.lost), finding(soak.Unique, did.repeated), finding(soak.Ordered, did.swapped)} {
		if !slices.Contains(got, want) {
			t.Errorf("%q not found in %q", want, got)
		}
	}
	for _, a := range l.Accounts {
		if a.Disordered < 3 || a.Disordered > 4 || a.Duplicate > 1 {
			t.Errorf("account %+v", a)
		}
	}
}

func lostOf(l soak.Ledger) (n int64) {
	for _, a := range l.Accounts {
		n += a.Lost
	}
	return n
}

// What was aborted is not in the topic for those who read what is committed,
// and transactions leave offsets without records, also at the end.
func TestInspectionDoesNotSeeWhatWasAborted(t *testing.T) {
	p := newPipeline(t)
	p.make("transactions", 1, nil)
	client := p.producer(t, kgo.DefaultProduceTopic("transactions"), kgo.TransactionalID("test"))
	trades := p.trades(100)
	for i := 0; i < len(trades); i += 30 {
		for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
			if err := client.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			for _, trade := range trades[i:min(i+30, len(trades))] {
				client.Produce(t.Context(), p.avro(trade), nil)
			}
			if err := client.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := client.EndTransaction(t.Context(), end); err != nil {
				t.Fatal(err)
			}
		}
	}
	l, course := p.inspect(soak.Topic{Name: "transactions"})
	if l.Reading.Records != 300 || len(l.Findings) > 0 || l.Reading.Unfinished != "" || course.Trouble != "" {
		t.Errorf("reading %+v, findings %v, trouble %q", l.Reading, l.Findings, course.Trouble)
	}
	// The end is known although it is no record: nobody had to wait for more.
	if took := course.Ended.Sub(course.Began); took >= quietAfter {
		t.Errorf("took %s", took)
	}
}

// A compacted topic has offsets without records; what was compacted is not
// missed, as long as it was no trade.
func TestInspectionOfACompactedTopic(t *testing.T) {
	p := newPipeline(t)
	compact := "compact"
	client := p.producer(t)
	tiny := "2000"
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, map[string]*string{
		"cleanup.policy": &compact, "segment.bytes": &tiny, "min.cleanable.dirty.ratio": new("0"),
	}, "compacted"); err != nil {
		t.Fatal(err)
	}
	for i, trade := range p.trades(50) {
		r := combined(trade)
		r.Topic, r.Key = "compacted", fmt.Append(nil, i)
		produce(t, client, r, &kgo.Record{Topic: "compacted", Key: []byte("beat"), Value: nil})
	}
	p.cluster.Compact()
	l, _ := p.inspect(soak.Topic{Name: "compacted"})
	read := l.Reading.Partitions[0]
	if read.Next != 300 || l.Reading.Records >= 300 || lostOf(l) != 0 || len(l.Findings) > 0 {
		t.Errorf("reading %+v, findings %v", l.Reading, l.Findings)
	}
	if read.Records != 150 {
		t.Errorf("%d trades read", read.Records)
	}
}

// Retention has taken the beginning of the topic.
func TestInspectionOfATopicWithoutItsBeginning(t *testing.T) {
	p := newPipeline(t)
	trades := p.trades(300)
	trades[701] = trades[1] // a repeat of what will be gone
	var records []*kgo.Record
	for _, trade := range trades {
		records = append(records, p.avro(trade))
	}
	p.make("cut", 1, records)
	admin := kadm.NewClient(p.producer(t))
	cut := kadm.Offsets{}
	cut.AddOffset("cut", 0, 100, -1)
	if _, err := admin.DeleteRecords(t.Context(), cut); err != nil {
		t.Fatal(err)
	}
	l, _ := p.inspect(soak.Topic{Name: "cut"})
	if l.Reading.Records != 800 || lostOf(l) != 1 { // the one in whose place the repeat is
		t.Errorf("reading %+v, %d lost", l.Reading, lostOf(l))
	}
	if got := foundIn(l); !slices.Contains(got, finding(soak.Ordered, trades[1])) || len(got) != 2 {
		t.Errorf("found %q", got)
	}
	since, _ := p.inspect(soak.Topic{Name: "cut", Since: soak.Duration(time.Since(time.UnixMicro(trades[600].EventAt)))})
	if n := since.Reading.Records; n < 100 || n > 600 {
		t.Errorf("%d records since the time of the 600th of 900", n)
	}
}

// A hole that the exchange has as well is no loss; one it does not keep any
// more counts as one, because nobody can say; and an exchange that wants to be
// left alone is left alone.
func TestInspectionAsksTheExchange(t *testing.T) {
	p := newPipeline(t)
	first := p.market.FirstID("BTCUSDT")
	target, _ := url.Parse(p.exchange.RESTURL())
	var questions, refusals atomic.Int32
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(response *http.Response) error {
			if questions.Add(1) == 2 {
				refusals.Add(1)
				response.StatusCode = http.StatusTooManyRequests
				response.Header.Set("Retry-After", "1")
				return nil
			}
			var rows []map[string]any
			decoder := json.NewDecoder(response.Body)
			decoder.UseNumber()
			if err := decoder.Decode(&rows); err != nil {
				return err
			}
			rows = slices.DeleteFunc(rows, func(row map[string]any) bool {
				id, _ := row["id"].(json.Number).Int64()
				return id == first+10 || id == first+11 || id == first+2500 || id < first+5 // no more kept
			})
			body, _ := json.Marshal(rows)
			response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			response.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
	}
	front := newServer(t, proxy)
	var records []*kgo.Record
	for i := range int64(9000) {
		switch {
		case i == 2 || i == 10 || i == 11 || i == 20 || 2490 <= i && i < 2510 || 4000 <= i && i < 8000:
			continue
		}
		records = append(records, p.avro(p.market.Trade("BTCUSDT", first+i)))
	}
	p.make("holes", 1, records)
	l, course := p.inspect(soak.Topic{Name: "holes", REST: front, Sample: 3})
	r := l.Reading
	if lost := lostOf(l); lost != 1+1+19+4000 || r.Absent != 3 || r.HolesAsked != 4 || r.HolesUnasked != 1 {
		t.Errorf("%d lost, reading %+v, findings %+v", lost, r, l.Findings)
	}
	if a := l.Accounts[0]; a.Published != 9000-3 || a.Delivered != int64(len(records)) {
		t.Errorf("account %+v", a)
	}
	for _, f := range l.Findings {
		if f.FirstID == first+10 {
			t.Errorf("a hole of the exchange's own is a finding: %+v", f)
		}
	}
	if refusals.Load() != 1 || r.Trouble != "" || course.Trouble != "" {
		t.Errorf("%d refusals, trouble %q, %q", refusals.Load(), r.Trouble, course.Trouble)
	}
	if n := int(questions.Load()); n > 12 || r.Weight != n*pageWeight {
		t.Errorf("%d questions, weight %d", n, r.Weight)
	}

	// No answer in time: what is missing is missing, and it is said that nobody
	// was asked.
	l, _ = p.inspect(soak.Topic{Name: "holes", REST: "http://127.0.0.1:1", Sample: 3}, func(i *Inspection) { i.Asking = time.Second })
	if r := l.Reading; r.HolesUnasked != 5 || r.Compared != 0 || r.Trouble == "" || lostOf(l) != 4024 {
		t.Errorf("%d lost, reading %+v", lostOf(l), r)
	}
}

// newServer serves on the loopback interface until the test ends.
func newServer(t *testing.T, handler http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-done; http.DefaultTransport.(*http.Transport).CloseIdleConnections() })
	return "http://" + listener.Addr().String()
}

// The same seed draws the same sample, another seed another.
func TestSampleFollowsItsSeed(t *testing.T) {
	draw := func(seed uint64) (drawn []int) {
		s := newSurvey(reader{}, seed, 20)
		drawn = make([]int, 20)
		for i := range 5000 {
			if n := s.sample.place(); n >= 0 {
				drawn[n] = i
			}
		}
		return drawn
	}
	if a, b := draw(1), draw(1); !slices.Equal(a, b) {
		t.Errorf("%v and %v of one seed", a, b)
	}
	if a, b := draw(1), draw(2); slices.Equal(a, b) {
		t.Errorf("%v of two seeds", a)
	}
	late := 0
	for _, i := range draw(3) {
		if i >= 2500 {
			late++
		}
	}
	if late < 4 || late > 16 {
		t.Errorf("%d of 20 from the second half", late)
	}
}

// Records that are no trades are counted, and a topic that has none of ours is
// told apart from an empty one.
func TestInspectionOfWhatIsNoTrade(t *testing.T) {
	p := newPipeline(t)
	trade := p.trades(1)[0]
	records := []*kgo.Record{combined(trade), {Value: []byte("{")}, {Value: []byte(`{"s":"X"}`)}, {Value: []byte{0, 0, 0, 0, 99, 1}}, {Value: []byte("\x00")}}
	p.make("mixed", 1, records)
	l, course := p.inspect(soak.Topic{Name: "mixed"})
	if l.Reading.Unreadable != 4 || !strings.Contains(l.Reading.UnreadableFirst, "offset 1") || course.Trouble != "" || l.Accounts[0].Delivered != 1 {
		t.Errorf("reading %+v, trouble %q", l.Reading, course.Trouble)
	}
	if _, course := p.inspect(soak.Topic{Name: "nowhere"}); !strings.Contains(course.Trouble, "nowhere") {
		t.Errorf("trouble %q of a topic that does not exist", course.Trouble)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	i := Inspection{Plan: NewPlan(soak.Topic{Name: "mixed", Format: FormatAuto}, 1), Out: t.TempDir(), Kafka: []kgo.Opt{kgo.SeedBrokers(p.cluster.ListenAddrs()...)}}
	if dir, course, err := i.Run(ctx); err != nil || !course.Interrupted {
		t.Errorf("cancelled: %+v, %v", course, err)
	} else if _, err := os.Stat(filepath.Join(dir.Dir(), soak.LedgerFile)); err != nil {
		t.Error(err)
	}
}
