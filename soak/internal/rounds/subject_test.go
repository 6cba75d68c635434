package rounds

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"steadfeed/streamer/schema"
)

// sharer is a subject that keeps every promise in the simplest way: it shares
// partitions with its like by their consumer group, finds out from the topic
// itself where to resume, and asks REST for all trades, twenty times a second.
// It is there to show that the driver acquits who deserves it.
type sharer struct {
	symbols          []string
	topic, group, id string
	brokers          []string
	rest             string
	client           *http.Client
	codec            *avro.Schema
	header           []byte
	begin            map[string]int64 // where a symbol begins of which the topic has nothing
	mu               sync.Mutex
	owners           map[int32]context.CancelFunc
}

type sharedTrade struct {
	Symbol       string `avro:"symbol"`
	ID           int64  `avro:"trade_id"`
	Price        string `avro:"price"`
	Quantity     string `avro:"quantity"`
	BuyerIsMaker bool   `avro:"buyer_is_maker"`
	TradedAt     int64  `avro:"traded_at"`
	EventAt      int64  `avro:"event_at"`
	ReceivedAt   int64  `avro:"received_at"`
}

// playSharer is the subject's main.
func playSharer() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	env := func(name string) string { return os.Getenv("STREAMER_" + name) }
	pem, err := os.ReadFile(env("TLS_CA_FILE"))
	if err != nil {
		return err
	}
	trust := &tls.Config{RootCAs: x509.NewCertPool()}
	trust.RootCAs.AppendCertsFromPEM(pem)
	s := &sharer{
		symbols: strings.Split(env("SYMBOLS"), ","), topic: env("TOPIC"), group: env("GROUP"), id: env("INSTANCE_ID"),
		brokers: strings.Split(env("KAFKA_BROKERS"), ","), rest: env("REST_URL"), codec: avro.MustParse(schema.Trade),
		client: &http.Client{Transport: &http.Transport{TLSClientConfig: trust, MaxIdleConnsPerHost: topicPartitions}, Timeout: 5 * time.Second},
		begin:  map[string]int64{}, owners: map[int32]context.CancelFunc{},
	}
	go http.ListenAndServe(env("HTTP"), s)
	registry, err := sr.NewClient(sr.URLs(env("SCHEMA_REGISTRY_URL")))
	if err != nil {
		return err
	}
	registered, err := registry.CreateSchema(ctx, schema.Subject(s.topic), sr.Schema{Schema: schema.Trade})
	if err != nil {
		return err
	}
	s.header = binary.BigEndian.AppendUint32([]byte{schema.Magic}, uint32(registered.ID))
	for _, symbol := range s.symbols { // before trades are owed
		for s.begin[symbol] == 0 {
			rows, err := s.page(ctx, symbol, 0)
			if err != nil {
				return err
			}
			if len(rows) > 0 {
				s.begin[symbol] = rows[len(rows)-1].ID
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	go s.listen(ctx, &websocket.Dialer{TLSClientConfig: trust}, env("WS_URL"))
	return s.share(ctx)
}

// listen keeps a session open and reads nothing from it: it makes the exchange
// owe its trades.
func (s *sharer) listen(ctx context.Context, dialer *websocket.Dialer, base string) {
	for ctx.Err() == nil {
		conn, _, err := dialer.DialContext(ctx, base+"/stream?streams="+strings.ToLower(strings.Join(s.symbols, "@trade/"))+"@trade", nil)
		for err == nil {
			_, _, err = conn.ReadMessage()
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// share is a member of the group until ctx ends.
func (s *sharer) share(ctx context.Context) error {
	work, endWork := context.WithCancel(context.Background())
	defer endWork()
	take := func(_ context.Context, _ *kgo.Client, assigned map[string][]int32) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, p := range assigned[s.topic] {
			owning, cancel := context.WithCancel(work)
			done := make(chan struct{})
			s.owners[p] = func() { cancel(); <-done }
			go func() { defer close(done); s.own(owning, p) }()
		}
	}
	give := func(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, p := range gone[s.topic] {
			if end := s.owners[p]; end != nil {
				end()
			}
			delete(s.owners, p)
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.ConsumerGroup(s.group), kgo.ConsumeTopics(s.topic),
		kgo.InstanceID(s.id), kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.DisableAutoCommit(),
		kgo.HeartbeatInterval(100*time.Millisecond), kgo.SessionTimeout(sessionTimeout), kgo.RebalanceTimeout(10*time.Second),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.DialTimeout(2*time.Second),
		kgo.OnPartitionsAssigned(take), kgo.OnPartitionsRevoked(give), kgo.OnPartitionsLost(give))
	if err != nil {
		return err
	}
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(ctx, topicPartitions, -1, nil, s.topic); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return err
	}
	client.PauseFetchTopics(s.topic)
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		for _, e := range fetches.Errors() {
			fmt.Println("group:", e.Err)
			if errors.Is(e.Err, kerr.FencedInstanceID) {
				os.Exit(0) // somebody else has this name
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.mu.Lock()
	ends := s.owners
	s.owners = map[int32]context.CancelFunc{}
	s.mu.Unlock()
	for _, end := range ends {
		end()
	}
	client.Close()
	leaving, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...))
	if err != nil {
		return err
	}
	defer leaving.Close()
	within, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err = kadm.NewClient(leaving).LeaveGroup(within, kadm.LeaveGroup(s.group).InstanceIDs(s.id))
	return err
}

// own delivers one partition until ctx ends; whatever goes wrong, it begins
// anew.
func (s *sharer) own(ctx context.Context, partition int32) {
	for ctx.Err() == nil {
		if err := s.ownOnce(ctx, partition); err != nil && ctx.Err() == nil {
			fmt.Println("partition", partition, err)
			time.Sleep(200 * time.Millisecond)
		}
	}
}

func (s *sharer) ownOnce(ctx context.Context, partition int32) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.TransactionalID(fmt.Sprintf("%s-%s-%d", s.group, s.topic, partition)),
		kgo.TransactionTimeout(10*time.Second), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.DialTimeout(2*time.Second))
	if err != nil {
		return err
	}
	defer client.Close()
	asking, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if _, _, err := client.ProducerID(asking); err != nil {
		return fmt.Errorf("fence: %w", err)
	}
	last, err := s.resume(asking, kadm.NewClient(client), partition)
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	for ctx.Err() == nil {
		began := time.Now()
		if err := s.commit(client, partition, last); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		time.Sleep(time.Until(began.Add(50 * time.Millisecond)))
	}
	return nil
}

// resume reads the partition to its end and returns the last id by symbol.
func (s *sharer) resume(ctx context.Context, admin *kadm.Client, partition int32) (map[string]int64, error) {
	last := map[string]int64{}
	var end int64
	for {
		committed, err := admin.ListCommittedOffsets(ctx, s.topic)
		if err != nil {
			return nil, err
		}
		written, err := admin.ListEndOffsets(ctx, s.topic)
		if err != nil {
			return nil, err
		}
		c, _ := committed.Lookup(s.topic, partition)
		w, _ := written.Lookup(s.topic, partition)
		if c.Err != nil || w.Err != nil {
			return nil, errors.Join(c.Err, w.Err)
		}
		if end = w.Offset; c.Offset == end {
			break
		}
		time.Sleep(20 * time.Millisecond)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("a transaction hangs: %d of %d: %w", c.Offset, w.Offset, ctx.Err())
		}
	}
	if end == 0 {
		return last, nil
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.DialTimeout(2*time.Second),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.topic: {partition: kgo.NewOffset().At(max(end-20_000, 0))}}))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	for at := int64(0); at < end; {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for record := range fetches.RecordsAll() {
			at = record.Offset + 1
			if record.Attrs.IsControl() {
				continue
			}
			var t sharedTrade
			if _, err := s.codec.Decode(record.Value[len(s.header):], &t); err != nil {
				return nil, err
			}
			last[t.Symbol] = max(last[t.Symbol], t.ID)
		}
	}
	return last, nil
}

// commit writes what is new in one transaction.
func (s *sharer) commit(client *kgo.Client, partition int32, last map[string]int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var records []*kgo.Record
	next := map[string]int64{}
	for i, symbol := range s.symbols {
		if int32(i%topicPartitions) != partition {
			continue
		}
		from := s.begin[symbol]
		if last[symbol] > 0 {
			from = last[symbol] + 1
		}
		rows, err := s.page(ctx, symbol, from)
		if err != nil {
			return err
		}
		for n, row := range rows {
			if row.ID != from+int64(n) {
				return fmt.Errorf("%s: asked for %d and was given %d", symbol, from+int64(n), row.ID)
			}
			value, err := s.codec.AppendEncode(slices.Clone(s.header), &sharedTrade{symbol, row.ID, row.Price, row.Quantity, row.BuyerIsMaker,
				row.TradedAt, row.TradedAt, time.Now().UnixMicro()})
			if err != nil {
				return err
			}
			records = append(records, &kgo.Record{Topic: s.topic, Partition: partition, Key: []byte(symbol), Value: value})
			next[symbol] = row.ID
		}
	}
	if len(records) == 0 {
		return nil
	}
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return err
	}
	for symbol, id := range next {
		last[symbol] = id
	}
	return nil
}

type sharedRow struct {
	ID           int64  `json:"id"`
	Price        string `json:"price"`
	Quantity     string `json:"qty"`
	TradedAt     int64  `json:"time"`
	BuyerIsMaker bool   `json:"isBuyerMaker"`
}

func (s *sharer) page(ctx context.Context, symbol string, from int64) (rows []sharedRow, err error) {
	url := s.rest + "/api/v3/historicalTrades?limit=1000&symbol=" + symbol
	if from > 0 {
		url += "&fromId=" + strconv.FormatInt(from, 10)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-MBX-TIME-UNIT", "MICROSECOND")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, errors.Join(err, fmt.Errorf("%s: %s %.100s", url, response.Status, body))
	}
	return rows, json.Unmarshal(body, &rows)
}

// ServeHTTP says how it stands, by the contract of subjects.
func (s *sharer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	own := make([]int32, 0, topicPartitions)
	for p := range s.owners {
		own = append(own, p)
	}
	s.mu.Unlock()
	switch {
	case r.URL.Path == "/readyz" && len(own) == 0:
		http.Error(w, "standby", http.StatusServiceUnavailable)
	case r.URL.Path == "/status":
		_ = json.NewEncoder(w).Encode(map[string]any{"partitions": own})
	}
}
