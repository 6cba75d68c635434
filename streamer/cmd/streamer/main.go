// Command streamer carries Binance trades into Kafka. It turns flags and
// environment variables into a streamer.Config, and signals into its end; all
// else is in package streamer.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"steadfeed/streamer"
)

// Exit statuses. 2 is left to Go's own panics.
const (
	exitFailed = 1
	exitUsage  = 64
)

func main() { os.Exit(run(os.Args)) }

// run is main with a status in place of an exit.
func run(args []string) int {
	status := 0
	err := command(&status).Run(context.Background(), args)
	if err == nil {
		return status
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(os.Stderr, "streamer: "+strings.TrimSuffix(line, "\n"))
	}
	if status == 0 {
		status = exitUsage // only the command line is judged before the action
	}
	return status
}

// command is the command line. The action sets status before it returns an error.
func command(status *int) *cli.Command {
	c := streamer.DefaultConfig()
	c.Version = version()
	// Not flags, and not derived from any: a command line is seen by everybody.
	c.KafkaPassword = streamer.Secret(os.Getenv("STREAMER_KAFKA_PASSWORD"))
	c.SchemaRegistryPassword = streamer.Secret(os.Getenv("STREAMER_SCHEMA_REGISTRY_PASSWORD"))
	var logFormat, logLevel string
	env := func(flag string) cli.ValueSourceChain {
		return cli.EnvVars("STREAMER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_")))
	}
	list := func(name, usage string, into *[]string) cli.Flag {
		return &cli.StringSliceFlag{Name: name, Usage: usage, Value: *into, Destination: into, Sources: env(name)}
	}
	text := func(name, usage string, into *string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: usage, Value: *into, Destination: into, Sources: env(name)}
	}
	number := func(name, usage string, into *int) cli.Flag {
		return &cli.IntFlag{Name: name, Usage: usage, Value: *into, Destination: into, Sources: env(name)}
	}
	duration := func(name, usage string, into *time.Duration) cli.Flag {
		return &cli.DurationFlag{Name: name, Usage: usage, Value: *into, Destination: into, Sources: env(name)}
	}
	logFormat, logLevel = "text", "info"
	return &cli.Command{
		Name:            "streamer",
		Usage:           "carry Binance trades into Kafka: complete, unique, in order, unaltered",
		HideHelpCommand: true,
		Description: "Each flag can be given as an environment variable, STREAMER_ and its name: -ws-url is STREAMER_WS_URL.\n" +
			"The first SIGTERM or SIGINT drains (ends the sessions, repairs gaps, waits for Kafka), the second ends at once.\n" +
			"Exit status: 0 drained, 1 failed, 64 a flag is wrong.",
		Flags: []cli.Flag{
			list("symbols", "symbols to stream, in upper or lower case", &c.Symbols),
			list("ws-url", "stream servers, tried in turn", &c.WebSocketURL),
			text("rest-url", "REST server, where missing trades are fetched", &c.RESTURL),
			&cli.BoolFlag{Name: "tls-verify", Usage: "verify the exchange's certificate", Value: c.TLSVerify, Destination: &c.TLSVerify, Sources: env("tls-verify")},
			text("tls-ca-file", "PEM file of authorities to trust in place of the system's", &c.TLSCAFile),
			duration("rotation-interval", "between planned replacements of a session, 5s to 23h", &c.RotationInterval),
			duration("ping-interval", "between pings on a session, 30s to 10m", &c.PingInterval),
			duration("pong-timeout", "for the answer to a ping, 5s to 1m", &c.PongTimeout),
			duration("stale-timeout", "without any bytes, after which a session is dead", &c.StaleTimeout),
			&cli.FloatFlag{Name: "rest-weight-budget", Usage: "share of the exchange's request weight to spend", Value: c.RESTBudget, Destination: &c.RESTBudget, Sources: env("rest-weight-budget")},
			list("kafka-brokers", "Kafka brokers, host:port", &c.KafkaBrokers),
			&cli.BoolFlag{Name: "kafka-tls", Usage: "reach the brokers over TLS; -kafka-tls-ca and -kafka-tls-cert imply it", Value: c.KafkaTLS, Destination: &c.KafkaTLS, Sources: env("kafka-tls")},
			text("kafka-tls-ca", "PEM file of authorities to trust in place of the system's", &c.KafkaTLSCA),
			text("kafka-tls-cert", "PEM file of this client's certificate", &c.KafkaTLSCert),
			text("kafka-tls-key", "PEM file of its key", &c.KafkaTLSKey),
			text("kafka-sasl", "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER", &c.KafkaSASL),
			text("kafka-user", "user for -kafka-sasl", &c.KafkaUser),
			text("kafka-password-file", "file with the password for -kafka-sasl, read at each authentication; or STREAMER_KAFKA_PASSWORD", &c.KafkaPasswordFile),
			text("kafka-token-file", "file with the token for OAUTHBEARER, read at each authentication", &c.KafkaTokenFile),
			list("schema-registry-url", "schema registry", &c.SchemaRegistryURL),
			text("schema-registry-user", "user for basic authentication", &c.SchemaRegistryUser),
			text("schema-registry-password-file", "file with its password; or STREAMER_SCHEMA_REGISTRY_PASSWORD", &c.SchemaRegistryPasswordFile),
			text("schema-registry-ca", "PEM file of authorities to trust in place of the system's", &c.SchemaRegistryCA),
			text("topic", "topic; {symbol} in it makes one topic a symbol", &c.Topic),
			number("partitions", "of a topic that does not exist yet", &c.Partitions),
			number("replication-factor", "of a topic that does not exist yet; -1: the cluster's default", &c.ReplicationFactor),
			&cli.StringFlag{Name: "delivery", Usage: "exactly-once, or at-least-once: visible sooner, repeated after a crash", Value: string(c.Delivery), Destination: (*string)(&c.Delivery), Sources: env("delivery")},
			duration("commit-interval", "exactly-once: how long a transaction is open", &c.CommitInterval),
			duration("backfill-max-age", "an older hole is declared lost and left to streamer repair", &c.BackfillMaxAge),
			text("group", "of the processes that share the symbols", &c.Group),
			text("instance-id", "name of this process in the group; a stable one makes a restart seamless (default: the host's name)", &c.InstanceID),
			number("share", "partitions beyond which others of the group may have them; 0: this process keeps all that it has, and others stand by", &c.Share),
			duration("session-timeout", "after which a process of the group that is gone is replaced; Kafka's own least is 6s", &c.SessionTimeout),
			duration("heartbeat-interval", "how soon the processes of the group learn of a change", &c.HeartbeatInterval),
			number("serializer-cache-size", "schema ids kept, 1 to 100", &c.SerializerCacheSize),
			text("http", "address for /metrics /healthz /readyz /status /debug/pprof", &c.HTTP),
			duration("drain-timeout", "for the work in hand after the first signal", &c.DrainTimeout),
			text("log-format", "text or json", &logFormat),
			text("log-level", "debug, info, warn or error", &logLevel),
			&cli.BoolFlag{Name: "print-config", Usage: "print the settings in force and exit"},
			&cli.BoolFlag{Name: "health", Usage: "ask the streamer that serves -http on this machine whether it is healthy, and exit with 0 or 1"},
			&cli.BoolFlag{Name: "version", Usage: "print the version and exit", Aliases: []string{"v"}},
		},
		Commands: []*cli.Command{checkCommand(&c, status),
			repairCommand(&c, status, func() (*slog.Logger, error) { return logger(logFormat, logLevel) })},
		OnUsageError: func(_ context.Context, _ *cli.Command, err error, _ bool) error { return err },
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return fmt.Errorf("unexpected argument %q", cmd.Args().First())
			}
			if cmd.Bool("version") {
				fmt.Println("streamer " + c.Version)
				return nil
			}
			if cmd.Bool("health") {
				if err := healthy(ctx, c.HTTP); err != nil {
					*status = exitFailed
					return err
				}
				return nil
			}
			log, err := logger(logFormat, logLevel)
			if err != nil {
				return err
			}
			if err := c.Validate(); err != nil {
				return err
			}
			if cmd.Bool("print-config") {
				printConfig(cmd)
				return nil
			}
			if c.InstanceID == "" {
				c.InstanceID, _ = os.Hostname() // without a name it is one of many; that works too
			}
			c.Log, c.Proxy, c.Seed = log, http.ProxyFromEnvironment, rand.Uint64()
			limitMemory(os.DirFS("/"), log)
			if err := serve(ctx, c); err != nil {
				*status = exitFailed
				return err
			}
			return nil
		},
	}
}

// serve runs the streamer until a signal or a failure ends it.
func serve(ctx context.Context, c streamer.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	go func() {
		for n, over := 0, ctx.Done(); ; n++ {
			select {
			case <-over:
				return
			case s := <-signals:
				if n > 0 {
					c.Log.Warn("second signal: ending at once", "signal", s.String())
					cancel()
					return
				}
				c.Log.Info("signal: draining", "signal", s.String())
				close(stop)
			}
		}
	}()
	c.Log.Info("streamer", "version", c.Version, "symbols", len(c.Symbols), "topic", c.Topic, "seed", c.Seed)
	err := streamer.Run(ctx, stop, c)
	if errors.Is(err, context.Canceled) {
		return errors.New("ended by a second signal before the work in hand was done")
	}
	return err
}

// logger returns a logger that writes to standard error.
func logger(format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("-log-level %q: must be debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration { // JSON would write nanoseconds
			a.Value = slog.StringValue(a.Value.Duration().String())
		}
		return a
	}}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, options)), nil
	default:
		return nil, fmt.Errorf("-log-format %q: must be text or json", format)
	}
}

// printConfig prints each setting as a flag, in the order of the help.
func printConfig(cmd *cli.Command) {
	for _, flag := range cmd.Flags {
		switch name := flag.Names()[0]; name {
		case "print-config", "health", "version", "help":
		default:
			value := fmt.Sprint(cmd.Value(name))
			if list, ok := cmd.Value(name).([]string); ok {
				value = strings.Join(list, ",")
			}
			fmt.Printf("-%s=%s\n", name, value)
		}
	}
}

// version is what the build recorded about itself: the tag or the commit it
// was made from, and Go's own.
func version() string {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return build.Main.Version + " " + build.GoVersion
}
