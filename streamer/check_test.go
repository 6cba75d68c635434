package streamer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"steadfeed/streamer/internal/binance"
)

// checkNow runs a check within 30 s. Names are resolved by the configuration:
// the real resolver does not belong into a bubble.
func (r *rig) checkNow() (good bool, said string) {
	if r.config.Resolve == nil {
		r.config.Resolve = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var out bytes.Buffer
	began := time.Now()
	good = Check(ctx, r.config, &out)
	if took := time.Since(began); took > 31*time.Second {
		r.t.Errorf("the check took %v", took)
	}
	return good, out.String()
}

// check runs a check in a world, with change made to it when all is up.
func check(t *testing.T, o options, change func(*rig)) (good bool, said string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := world(t, o)
		r.exchange.Start()
		time.Sleep(time.Second)
		if change != nil {
			change(r)
		}
		good, said = r.checkNow()
		r.close()
	})
	return good, said
}

// All is well: one line for each thing, every one ok.
func TestCheckGood(t *testing.T) {
	good, said := check(t, options{}, nil)
	if !good || strings.Contains(said, "FAILED") {
		t.Errorf("good %v:\n%s", good, said)
	}
	for _, want := range []string{"ok     stream 127.0.0.1:9443: connected, TLS, certificate valid until", "ok     REST localhost:9443",
		"ok     clock: ", "ok     symbols: all 3 listed", "ok     trades on the stream: of 3 of 3", "ok     history by id: ",
		"ok     schema of market.crypto.trades.binance-value: would be registered", "ok     broker 127.0.0.1:9092: connected",
		"ok     Kafka: answers, without authentication", "market.crypto.trades.binance: does not exist, and would be created with 6 partitions",
		"market.crypto.trades.binance.quarantine: does not exist, and would be created with 1 ", "ok     transactional-id steadfeed-: "} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
}

// Each thing that is wrong fails the check with a line of its own, and the
// check goes on with the others.
func TestCheckFinds(t *testing.T) {
	f := func(name string, o options, change func(*rig), want ...string) {
		t.Run(name, func(t *testing.T) {
			good, said := check(t, o, change)
			if good {
				t.Errorf("the check found nothing:\n%s", said)
			}
			for _, line := range want {
				if !strings.Contains(said, line) {
					t.Errorf("it does not say %q:\n%s", line, said)
				}
			}
		})
	}
	config := func(change func(*Config)) options { return options{config: change} }
	f("name", config(func(c *Config) {
		c.Resolve = func(_ context.Context, host string) ([]string, error) {
			if host == "localhost" {
				return nil, errors.New("no such host")
			}
			return []string{host}, nil
		}
	}), nil, "FAILED REST localhost:9443: name resolution: no such host", "ok     Kafka")
	f("exchange away", options{}, func(r *rig) { r.takeAway(exchangeAddr, restAddr) }, "FAILED stream 127.0.0.1:9443: connect", "FAILED clock", "ok     schema of")
	_, other := loopbackCertificate(t)
	f("authority", config(func(c *Config) { c.TLSCAFile = other }), nil, "FAILED stream 127.0.0.1:9443: TLS: tls: failed to verify certificate")
	f("symbol", config(func(c *Config) { c.Symbols = append(c.Symbols, "NOSUCHUSDT") }), nil, "FAILED symbols: NOSUCHUSDT")
	f("registry away", options{}, func(r *rig) { r.takeAway(registryAddr) }, "FAILED schema registry 127.0.0.1:8081: connect", "FAILED schema of", "ok     trades")
	f("schema", options{registry: func(s *http.Server) {
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if strings.HasPrefix(q.URL.Path, "/compatibility/") {
				_, _ = io.WriteString(w, `{"is_compatible":false,"messages":["READER_FIELD_MISSING_DEFAULT_VALUE"]}`)
				return
			}
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error_code":40403,"message":"Schema not found"}`)
		})
	}}, nil, "FAILED schema of market.crypto.trades.binance-value", "READER_FIELD_MISSING")
	f("broker away", options{}, func(r *rig) { r.takeAway(brokerAddr) }, "FAILED broker 127.0.0.1:9092: connect", "FAILED Kafka", "ok     schema of")
	f("password", options{kafka: []kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", "ann", "right")}, config: func(c *Config) {
		c.KafkaSASL, c.KafkaUser, c.KafkaPassword = "PLAIN", "ann", "wrong-hidden"
	}}, nil, "FAILED Kafka: ", `as user "ann" with PLAIN`)
	f("replication", config(func(c *Config) { c.ReplicationFactor = 5 }), nil, "FAILED topic market.crypto.trades.binance: does not exist, and could not be created")
	// REST goes on, the stream's connections open and nothing comes.
	f("silent stream", options{}, func(r *rig) { r.odd() }, "FAILED trades on the stream of BTCUSDT: none in ", "but REST has id")
}

// A symbol that does not trade is quiet, not wrong; a stream server that is
// away beside one that works is a remark.
func TestCheckNotes(t *testing.T) {
	good, said := check(t, options{rate: 0.001, config: func(c *Config) {
		c.WebSocketURL = append([]string{"wss://127.0.0.1:9999"}, c.WebSocketURL...)
	}}, nil)
	for _, want := range []string{"note   stream 127.0.0.1:9999: connect", "note   trades on the stream: quiet, as REST says too: "} {
		if !good || !strings.Contains(said, want) {
			t.Errorf("good %v, want %q:\n%s", good, want, said)
		}
	}
}

// A clock that is off is a remark: the streamer works, its lags do not.
func TestCheckClock(t *testing.T) {
	for ahead, want := range map[time.Duration]string{-5 * time.Second: "note   clock: -", 0: "ok     clock: ", 5 * time.Second: "note   clock: "} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"serverTime":%d}`, time.Now().Add(-ahead).UnixMicro())
		}))
		transport := &http.Transport{}
		history := binance.NewHistory(binance.HistoryOptions{URL: server.URL, Budget: 1, Client: &http.Client{Transport: transport}})
		var k checked
		k.clock(t.Context(), history)
		if len(k.lines) != 1 || k.failed || !strings.HasPrefix(k.lines[0], want) {
			t.Errorf("%v ahead: %q, want %q", ahead, k.lines, want)
		}
		transport.CloseIdleConnections()
		server.Close()
	}
}

// A check leaves nothing behind: no topic, no schema.
func TestCheckChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.exchange.Start()
		if good, said := r.checkNow(); !good {
			t.Errorf("the check:\n%s", said)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		client, err := kgo.NewClient(kgo.SeedBrokers(brokerAddr), kgo.Dialer(r.net.Dial))
		r.must(err)
		defer client.Close()
		topics, err := kadm.NewClient(client).ListTopics(ctx)
		r.must(err)
		transport := &http.Transport{DialContext: r.net.Dial, DisableKeepAlives: true}
		registry, err := r.config.registryClient(transport)
		r.must(err)
		subjects, err := registry.Subjects(ctx)
		r.must(err)
		if len(topics) != 0 || len(subjects) != 0 {
			t.Errorf("topics %v, subjects %v", topics.Names(), subjects)
		}
		client.Close()
		r.close()
	})
}

// oddAddr is where a stream server of an odd kind is.
const oddAddr = "127.0.0.1:9444"

// odd adds a stream server to the world that takes connections, sends these
// frames to each, and then nothing.
func (r *rig) odd(frames ...string) {
	listener, err := r.net.Listen(oddAddr)
	r.must(err)
	var upgrader websocket.Upgrader
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		conn, err := upgrader.Upgrade(w, q, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for _, frame := range frames {
			_ = conn.WriteMessage(websocket.TextMessage, []byte(frame)) // the client may be gone
		}
		for err == nil { // pings are answered until the client is gone
			_, _, err = conn.ReadMessage()
		}
	})}
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(listener) })
	r.closed = append(r.closed, func() { server.Close(); served.Wait() })
	r.config.WebSocketURL = []string{"ws://" + oddAddr}
}

// rightsOf are the ACLs of c for the fake broker, without those that leave out
// says.
func rightsOf(c *Config, leaveOut func(r right, operation string) bool) (list []kfake.ACL) {
	about := map[string]kmsg.ACLResourceType{aboutTopic: kmsg.ACLResourceTypeTopic, aboutGroup: kmsg.ACLResourceTypeGroup,
		aboutTransactional: kmsg.ACLResourceTypeTransactionalId}
	for _, r := range c.rights() {
		pattern := kmsg.ACLResourcePatternTypeLiteral
		if r.prefixed {
			pattern = kmsg.ACLResourcePatternTypePrefixed
		}
		operations := r.operations
		if r.create {
			operations = append(operations[:len(operations):len(operations)], "CREATE")
		}
		for _, name := range operations {
			operation, err := kmsg.ParseACLOperation(name)
			if err != nil {
				panic(err)
			}
			if leaveOut == nil || !leaveOut(r, name) {
				list = append(list, kfake.ACL{Resource: about[r.about], Name: r.name, Pattern: pattern, Operation: operation, Allow: true})
			}
		}
	}
	return list
}

// limited is a world in which the streamer has the rights of the table, less
// those left out.
func limited(leaveOut func(r right, operation string) bool) options {
	c := DefaultConfig()
	return options{kafka: []kfake.Opt{kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "admin", "admin"),
		kfake.User("PLAIN", "streamer", "secret", rightsOf(&c, leaveOut)...)},
		config: func(c *Config) {
			c.KafkaSASL, c.KafkaUser, c.KafkaPassword = "PLAIN", "streamer", "secret"
		}}
}

// With exactly the rights of the table the streamer makes its topic and
// delivers, and the check is content.
func TestLeastRights(t *testing.T) {
	if good, said := check(t, limited(nil), nil); !good || !strings.Contains(said, "note   credentials for Kafka: PLAIN without TLS") {
		t.Errorf("the check:\n%s", said)
	}
	synctest.Test(t, func(t *testing.T) {
		r := world(t, limited(nil))
		r.start()
		r.waitFor("delivering", time.Minute, func() bool { return r.metric("kafka_messages_produced_total") > 100 })
		// Again, now that the topics exist.
		if good, said := r.checkNow(); !good || !strings.Contains(said, "ok     topic market.crypto.trades.binance: 6 partitions, READ, WRITE, DESCRIBE allowed") {
			t.Errorf("the check of topics that exist:\n%s", said)
		}
		close(r.stop)
		if err := <-r.done; err != nil {
			t.Errorf("Run = %v; the log:\n%s", err, r.log)
		}
		r.close()
	})
}

// Each right of the table is needed, as far as the check can ask: without it
// the line about its resource fails.
func TestCheckMissesRights(t *testing.T) {
	c := DefaultConfig()
	for _, need := range c.rights() {
		t.Run(fmt.Sprintf("%s %s", need.about, need.name), func(t *testing.T) {
			good, said := check(t, limited(func(r right, _ string) bool { return r.name == need.name && r.about == need.about }), nil)
			if good || !strings.Contains(said, "FAILED "+need.about+" "+need.name+": ") {
				t.Errorf("good %v:\n%s", good, said)
			}
		})
	}
}

// The manual grants what the streamer asks for, no less and no more.
func TestReadmeNamesEveryRight(t *testing.T) {
	manual, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.Topic = "<topic>"
	rows := 0
	for line := range strings.Lines(string(manual)) {
		if strings.HasPrefix(line, "| topic | `") || strings.HasPrefix(line, "| group | `") || strings.HasPrefix(line, "| transactional-id | `") {
			rows++
		}
	}
	rights := c.rights()
	for _, r := range rights {
		name := "`" + strings.Replace(r.name, c.Group, "<group>", 1) + "`"
		if r.prefixed {
			name += " (prefix)"
		}
		operations := strings.Join(r.operations, ", ")
		if r.create {
			operations += "; CREATE where it does not exist"
		}
		if row := "| " + r.about + " | " + name + " | " + operations + " |\n"; !strings.Contains(string(manual), row) {
			t.Errorf("README.md lacks the row %s", row)
		}
	}
	if rows != len(rights) {
		t.Errorf("README.md has %d rows of rights, want %d", rows, len(rights))
	}
}
