package streamer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/schema"
)

// Config is everything a streamer needs. DefaultConfig has the defaults; the
// command gives each setting a flag and an environment variable.
type Config struct {
	Symbols      []string      // upper or lower case
	WebSocketURL []string      // of the stream servers, tried in turn
	RESTURL      string        // where missing trades are fetched
	TLSVerify    bool          // false accepts any certificate of the exchange, and says so loudly
	TLSCAFile    string        // PEM file of the authorities to trust in place of the system's
	PingInterval time.Duration // between our pings on a session
	PongTimeout  time.Duration // for the answer to one
	StaleTimeout time.Duration // without any bytes, after which a session is dead
	// RotationInterval is the time between planned replacements of a session.
	RotationInterval time.Duration
	RESTBudget       float64 // share of the exchange's request weight that may be spent, 0 to 1

	// BackfillMaxAge is how old a hole may be that is fetched before live
	// trades go on. An older one is declared lost, with its ids.
	BackfillMaxAge time.Duration

	KafkaBrokers        []string
	SchemaRegistryURL   []string
	Topic               string        // {symbol} in it becomes the symbol in lower case
	Partitions          int           // of a topic that does not exist yet
	ReplicationFactor   int           // likewise; -1 is the cluster's default
	Delivery            Delivery      // exactly-once or at-least-once
	CommitInterval      time.Duration // with exactly-once: how long a transaction is open
	SerializerCacheSize int

	Group             string        // of the processes that share the symbols
	InstanceID        string        // of this process; a stable one makes a restart seamless
	Share             int           // partitions beyond which others of the group may have them; 0: it keeps all, and others stand by
	SessionTimeout    time.Duration // after which a process that is gone is replaced
	HeartbeatInterval time.Duration // how soon the processes of a group learn of a change
	KafkaTLS          bool          // to the brokers; the files below imply it
	KafkaTLSCA        string        // PEM file of the authorities to trust in place of the system's
	KafkaTLSCert      string        // PEM file of this client's certificate, read again at each handshake
	KafkaTLSKey       string        // PEM file of its key
	KafkaSASL         string        // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER; empty: no authentication
	KafkaUser         string
	KafkaPasswordFile string // read again at each authentication
	KafkaPassword     Secret // in place of the file
	KafkaTokenFile    string // for OAUTHBEARER, read again at each authentication

	SchemaRegistryUser         string // for basic authentication
	SchemaRegistryPasswordFile string // read again at each request
	SchemaRegistryPassword     Secret // in place of the file
	SchemaRegistryCA           string // PEM file of the authorities to trust in place of the system's

	HTTP         string // address for metrics, health and profiles
	DrainTimeout time.Duration

	// What follows is the way to the outside world. The zero values reach the
	// real one; tests put others in.

	// Dial opens every connection: exchange, brokers, registry.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Resolve finds the addresses of a name, for Check.
	Resolve func(ctx context.Context, host string) ([]string, error)
	// Listener serves HTTP in place of one opened on the address HTTP.
	Listener net.Listener
	// Proxy chooses a proxy for REST and registry requests.
	Proxy func(*http.Request) (*url.URL, error)
	// Memory reads the resident and virtual memory of this process, in bytes.
	Memory func() (rss, vms int64, err error)
	// Seed of the jitter of all delays.
	Seed uint64
	// Log takes what there is to say.
	Log *slog.Logger
	// Version is printed by /status.
	Version string
}

// Delivery is what a reader of the topic may rely on.
type Delivery string

const (
	// ExactlyOnce: a reader of committed records sees each trade once, through
	// crashes and hand-overs. Records are visible after the commit.
	ExactlyOnce Delivery = "exactly-once"
	// AtLeastOnce: a record is visible as soon as it is written, and a crash
	// may repeat some.
	AtLeastOnce Delivery = "at-least-once"
)

// DefaultConfig is how a streamer runs when nothing is set.
func DefaultConfig() Config {
	return Config{
		Symbols:             []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"},
		WebSocketURL:        []string{"wss://stream.binance.com:9443", "wss://stream.binance.com:443"},
		RESTURL:             "https://api.binance.com",
		TLSVerify:           true,
		PingInterval:        180 * time.Second,
		PongTimeout:         10 * time.Second,
		StaleTimeout:        30 * time.Second,
		RotationInterval:    4 * time.Hour,
		RESTBudget:          0.5,
		KafkaBrokers:        []string{"localhost:9092"},
		SchemaRegistryURL:   []string{"http://localhost:8081"},
		Topic:               schema.Topic,
		Partitions:          6,
		ReplicationFactor:   -1,
		Delivery:            ExactlyOnce,
		CommitInterval:      50 * time.Millisecond,
		SerializerCacheSize: 10,
		BackfillMaxAge:      6 * time.Hour,
		Group:               "steadfeed",
		SessionTimeout:      6 * time.Second,
		HeartbeatInterval:   100 * time.Millisecond,
		HTTP:                ":9091",
		DrainTimeout:        30 * time.Second,
	}
}

const (
	// maxSymbols bounds the configuration; the exchange lists some 3,000 pairs.
	maxSymbols = 4096
	// symbolPlaceholder in a topic makes one topic a symbol.
	symbolPlaceholder = "{symbol}"
	// maxTopic is Kafka's limit for a topic's name, 249, less what the names of
	// the topics beside it add.
	maxTopic = 249 - len(quarantineSuffix)
)

// snapshotsOf is the topic of the snapshots of topic.
func snapshotsOf(topic string) string { return topic + snapshotsSuffix }

// Validate returns everything that is wrong with c, one line each, or nil. A
// setting is named as its flag.
func (c *Config) Validate() error {
	var wrong []error
	say := func(flag string, value any, want string) {
		wrong = append(wrong, fmt.Errorf("-%s %v: %s", flag, value, want))
	}
	within := func(flag string, d, low, high time.Duration) {
		if d < low || d > high {
			say(flag, d, fmt.Sprintf("must be from %v to %v", low, high))
		}
	}
	if n := len(c.Symbols); n == 0 || n > maxSymbols {
		say("symbols", fmt.Sprintf("(%d of them)", n), fmt.Sprintf("must be 1 to %d symbols", maxSymbols))
	}
	seen := make(map[string]bool, len(c.Symbols))
	for _, symbol := range c.Symbols {
		upper := strings.ToUpper(symbol)
		switch {
		case !binance.ValidSymbol(upper):
			say("symbols", fmt.Sprintf("%q", symbol), "is not a symbol; one looks like BTCUSDT")
		case seen[upper]:
			say("symbols", fmt.Sprintf("%q", symbol), "is named twice")
		}
		seen[upper] = true
	}
	addresses := func(flag string, list []string, schemes ...string) {
		if len(list) == 0 {
			say(flag, `""`, "must name at least one address")
		}
		for _, address := range list {
			if err := noCredentials(address); err != nil {
				say(flag, "(address)", err.Error())
				continue
			}
			if u, err := url.Parse(address); err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
				say(flag, fmt.Sprintf("%q", address), "must begin with "+strings.Join(schemes, ":// or ")+":// and name a host")
			}
		}
	}
	addresses("ws-url", c.WebSocketURL, "wss", "ws")
	addresses("rest-url", []string{c.RESTURL}, "https", "http")
	addresses("schema-registry-url", c.SchemaRegistryURL, "http", "https")
	if len(c.KafkaBrokers) == 0 {
		say("kafka-brokers", `""`, "must name at least one host:port")
	}
	for _, broker := range c.KafkaBrokers {
		if _, _, err := net.SplitHostPort(broker); err != nil {
			say("kafka-brokers", fmt.Sprintf("%q", broker), "must be host:port")
		}
	}
	if _, _, err := net.SplitHostPort(c.HTTP); err != nil && c.Listener == nil {
		say("http", fmt.Sprintf("%q", c.HTTP), "must be host:port or :port")
	}
	if !validTopic(c.Topic) {
		say("topic", fmt.Sprintf("%q", c.Topic), "must be letters, digits, dots, dashes and underscores, with at most one {symbol}")
	}
	within("ping-interval", c.PingInterval, 30*time.Second, 600*time.Second)
	within("pong-timeout", c.PongTimeout, 5*time.Second, 60*time.Second)
	within("stale-timeout", c.StaleTimeout, 5*time.Second, 10*time.Minute)
	within("rotation-interval", c.RotationInterval, 5*time.Second, 23*time.Hour)
	within("commit-interval", c.CommitInterval, time.Millisecond, 5*time.Second)
	within("session-timeout", c.SessionTimeout, time.Second, 10*time.Minute)
	within("heartbeat-interval", c.HeartbeatInterval, 20*time.Millisecond, c.SessionTimeout/3)
	within("backfill-max-age", c.BackfillMaxAge, time.Minute, 365*24*time.Hour)
	if c.Delivery != ExactlyOnce && c.Delivery != AtLeastOnce {
		say("delivery", fmt.Sprintf("%q", c.Delivery), "must be exactly-once or at-least-once")
	}
	if !validTopic(c.Group) || strings.Contains(c.Group, symbolPlaceholder) {
		say("group", fmt.Sprintf("%q", c.Group), "must be letters, digits, dots, dashes and underscores")
	}
	if c.Share < 0 || c.Share > 10000 {
		say("share", c.Share, "must be from 0 to 10000")
	}
	if len(c.InstanceID) > maxTopic {
		say("instance-id", fmt.Sprintf("(%d characters)", len(c.InstanceID)), fmt.Sprintf("must have at most %d", maxTopic))
	}
	within("drain-timeout", c.DrainTimeout, time.Second, 10*time.Minute)
	if c.RESTBudget <= 0 || c.RESTBudget > 1 {
		say("rest-weight-budget", c.RESTBudget, "must be above 0 and at most 1")
	}
	if c.SerializerCacheSize < 1 || c.SerializerCacheSize > 100 {
		say("serializer-cache-size", c.SerializerCacheSize, "must be from 1 to 100")
	}
	if c.Partitions < 1 || c.Partitions > 10000 {
		say("partitions", c.Partitions, "must be from 1 to 10000")
	}
	if c.ReplicationFactor != -1 && (c.ReplicationFactor < 1 || c.ReplicationFactor > 100) {
		say("replication-factor", c.ReplicationFactor, "must be -1 (the cluster's default) or from 1 to 100")
	}
	c.validateSecurity(say)
	return errors.Join(wrong...)
}

// validTopic checks a name against Kafka's rule for topics.
func validTopic(topic string) bool {
	name := strings.Replace(topic, symbolPlaceholder, "x", 1)
	if name == "" || name == "." || name == ".." || len(name) > maxTopic {
		return false
	}
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// upperSymbols are the symbols as the exchange writes them in trades.
func (c *Config) upperSymbols() []string {
	upper := make([]string, len(c.Symbols))
	for i, symbol := range c.Symbols {
		upper[i] = strings.ToUpper(symbol)
	}
	return upper
}

// topicOf is the topic that symbol's trades go to.
func (c *Config) topicOf(symbol string) string {
	return strings.Replace(c.Topic, symbolPlaceholder, strings.ToLower(symbol), 1)
}

// fill completes c with the real ways to the outside world.
func (c *Config) fill() {
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	if c.Resolve == nil {
		c.Resolve = net.DefaultResolver.LookupHost
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Memory == nil {
		c.Memory = readMemory
	}
}
