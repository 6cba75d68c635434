package testbed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/streamer/schema"
)

// readyPoll is how often a subject is asked whether it is ready.
const readyPoll = 100 * time.Millisecond

// Testbed is everything that runs during a run. Close ends all of it, in
// whatever state it is.
type Testbed struct {
	Source   fakebinance.Source
	Exchange *fakebinance.Server
	Backend  *Backend
	Topic    string

	Subject   Process    // nil until StartSubject
	Endpoints *Endpoints // of the subject

	plan soak.Plan
	dir  string
	logs []*os.File
}

// Up starts the in-memory Kafka, the registry and the exchange for a plan, and
// writes the exchange's certificate into the run directory. The exchange does
// not publish yet.
func Up(plan soak.Plan, dir string) (bed *Testbed, err error) {
	b := &Testbed{Topic: cmp.Or(plan.Subject.Settings["STREAMER_TOPIC"], schema.Topic), plan: plan, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	kafkaLog, err := b.openLog("kafka.log")
	if err != nil {
		return nil, err
	}
	if b.Backend, err = NewBackend(BackendOptions{Log: kafkaLog}); err != nil {
		return nil, err
	}
	if b.Source, err = openSource(plan); err != nil {
		return nil, err
	}
	exchangeLog, err := b.openLog("exchange.log")
	if err != nil {
		return nil, err
	}
	b.Exchange, err = fakebinance.New(fakebinance.Options{
		Source: b.Source,
		Seed:   plan.Seed,
		TLS:    true,
		Logger: slog.New(slog.NewJSONHandler(exchangeLog, nil)),
	})
	if err != nil {
		return nil, fmt.Errorf("start the exchange: %w", err)
	}
	if err := os.WriteFile(b.caPath(), b.Exchange.CertPEM(), 0o644); err != nil {
		return nil, fmt.Errorf("write the exchange's certificate: %w", err)
	}
	return b, nil
}

// openSource makes the trades of a plan: a capture or a synthetic market.
// Trades are due from now on.
func openSource(plan soak.Plan) (fakebinance.Source, error) {
	if plan.Traffic.Capture == "" {
		return fakebinance.NewMarket(fakebinance.MarketOptions{
			Seed: plan.Seed, Symbols: plan.Symbols, Rate: plan.Traffic.Rate, Start: time.Now(),
		})
	}
	capture, err := fakebinance.OpenCapture(plan.Traffic.Capture)
	if err != nil {
		return nil, err
	}
	return fakebinance.NewReplay(capture, time.Now(), cmp.Or(plan.Traffic.Speed, 1))
}

// StartSubject starts the subject's process. That it runs does not mean that
// it works: see WaitReady.
func (b *Testbed) StartSubject() error {
	address, err := freePort()
	if err != nil {
		return err
	}
	process, err := StartLocal(Command{
		Name:    b.plan.Subject.Name,
		Args:    b.plan.Subject.Command,
		Env:     b.environment(address),
		LogPath: filepath.Join(b.dir, "logs", b.plan.Subject.Name+".log"),
	})
	if err != nil {
		return err
	}
	b.Subject, b.Endpoints = process, NewEndpoints(address)
	return nil
}

// environment is all that a subject is told: little of the harness's own, so
// that a run does not depend on the shell that it was started from.
func (b *Testbed) environment(address string) []string {
	settings := map[string]string{
		"STREAMER_SYMBOLS":             strings.Join(b.plan.Symbols, ","),
		"STREAMER_WS_URL":              b.Exchange.WebSocketURL(),
		"STREAMER_REST_URL":            b.Exchange.RESTURL(),
		"STREAMER_TLS_CA_FILE":         b.caPath(),
		"STREAMER_KAFKA_BROKERS":       strings.Join(b.Backend.Brokers(), ","),
		"STREAMER_SCHEMA_REGISTRY_URL": b.Backend.RegistryURL(),
		"STREAMER_TOPIC":               b.Topic,
		"STREAMER_HTTP":                address,
	}
	for name, value := range b.plan.Subject.Settings {
		settings[name] = value
	}
	return Environment(settings)
}

// Environment is a complete environment for a process under test: where
// programs and temporary files are, and the settings given.
func Environment(settings map[string]string) []string {
	env := []string{"TZ=UTC"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GOCOVERDIR"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	for name, value := range settings {
		env = append(env, name+"="+value)
	}
	return env
}

// NotReadyError says that a subject started and never became ready.
type NotReadyError struct {
	Subject string
	Within  time.Duration
	Exit    *Exit    // how it ended, if it did
	Reason  error    // what it last answered, if it did not
	Tail    []string // its last lines
}

// Error implements error.
func (e *NotReadyError) Error() string {
	var text strings.Builder
	if e.Exit != nil {
		fmt.Fprintf(&text, "the subject %s ended before it was ready (%s)", e.Subject, e.Exit.Text)
	} else {
		fmt.Fprintf(&text, "the subject %s was not ready within %s (%v)", e.Subject, e.Within, e.Reason)
	}
	if len(e.Tail) == 0 {
		return text.String() + "; it printed nothing"
	}
	text.WriteString("; its last lines were: ")
	for i, line := range e.Tail {
		if i > 0 {
			text.WriteString(" | ")
		}
		fmt.Fprintf(&text, "%.300s", line)
	}
	return text.String()
}

// WaitReady asks the subject's /readyz until it answers 200. It gives up with
// a *NotReadyError after within, or when the subject ends.
func (b *Testbed) WaitReady(ctx context.Context, within time.Duration) error {
	return waitReady(ctx, b.Subject, b.Endpoints, within)
}

func waitReady(ctx context.Context, subject Process, endpoints *Endpoints, within time.Duration) error {
	late := time.NewTimer(within)
	defer late.Stop()
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	var reason error
	for {
		if reason = endpoints.Ready(ctx); reason == nil {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-subject.Exited():
			exit := subject.Exit()
			return &NotReadyError{Subject: subject.Name(), Exit: &exit, Tail: subject.Tail()}
		case <-late.C:
			return &NotReadyError{Subject: subject.Name(), Within: within, Reason: reason, Tail: subject.Tail()}
		}
	}
}

// Sample reads the subject and the harness; what it cannot read stays zero
// and, for the subject's metrics, says why. The figures of the ledger are left
// to the caller.
func (b *Testbed) Sample(ctx context.Context) soak.Sample {
	sample := soak.Sample{At: time.Now().UTC(), Subject: b.Subject.Name()}
	if reading, err := b.Subject.Reading(ctx); err == nil {
		sample.RSSBytes, sample.VMSBytes = reading.RSSBytes, reading.VMSBytes
		sample.CPUSeconds, sample.Threads, sample.OpenFiles = reading.CPUSeconds, reading.Threads, reading.OpenFiles
	}
	if own, err := OwnReading(ctx); err == nil {
		sample.HarnessRSSBytes, sample.HarnessCPUSeconds = own.RSSBytes, own.CPUSeconds
	}
	metrics, err := b.Endpoints.Metrics(ctx)
	if err != nil {
		sample.MetricsErr = err.Error()
		return sample
	}
	sample.HeapLiveBytes, sample.Goroutines, sample.Counters = metrics.HeapLiveBytes, metrics.Goroutines, metrics.Counters
	return sample
}

// profiles are the pprof profiles kept of a subject.
var profiles = []string{"heap", "goroutine"}

// SaveProfiles writes the subject's profiles into the run directory, named
// after the moment. A subject that serves none is an error that a run can live
// with.
func (b *Testbed) SaveProfiles(ctx context.Context, moment string) error {
	var problems []error
	for _, name := range profiles {
		path := filepath.Join(b.dir, "profiles", fmt.Sprintf("%s-%s-%s.pb.gz", b.plan.Subject.Name, moment, name))
		problems = append(problems, b.Endpoints.SaveProfile(ctx, name, path))
	}
	return errors.Join(problems...)
}

// Close kills the subject if it still runs and stops everything else.
func (b *Testbed) Close() error {
	var problems []error
	if b.Subject != nil {
		b.Subject.Kill()
		b.Endpoints.Close()
	}
	if b.Exchange != nil {
		problems = append(problems, b.Exchange.Close())
	}
	if b.Backend != nil {
		b.Backend.Close()
	}
	for _, log := range b.logs {
		problems = append(problems, log.Close())
	}
	return errors.Join(problems...)
}

func (b *Testbed) caPath() string {
	path := filepath.Join(b.dir, "ca.pem")
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}

func (b *Testbed) openLog(name string) (*os.File, error) {
	dir := filepath.Join(b.dir, "logs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open log %s: %w", name, err)
	}
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	b.logs = append(b.logs, f)
	return f, nil
}
