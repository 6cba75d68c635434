package testbed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/testbed/stack"
	"steadfeed/streamer/schema"
)

// certsDir is the part of a run directory that containers see.
const certsDir = "certs"

// readyPoll is how often a subject is asked whether it is ready.
const readyPoll = 100 * time.Millisecond

// Testbed is everything that runs during a run. Close ends all of it, in
// whatever state it is.
type Testbed struct {
	Source   fakebinance.Source
	Exchange *fakebinance.Server
	Store    Store
	Topic    string

	Prometheus *Prometheus // that watches the subject; nil where none does

	plan         soak.Plan
	dir          string
	backend      *Backend     // the store of a plan without containers
	stack        *stack.Stack // and that of one with
	virtual      *Virtual     // of a run in virtual time
	memory       *Memory      // and its store
	schemas      *SharedRegistry
	registryDoor *door // its listener
	logs         []*os.File
	lives        lives

	replacing sync.WaitGroup // of a trap that has sprung
}

// Up starts Kafka, the registry and the exchange for a plan, and writes the
// exchange's certificate into the run directory. Kafka and registry are in
// memory, or in containers where the plan has some; the exchange is always
// here: what it published is evidence. It does not publish yet. virtual is for
// a plan in virtual time, and nil for others.
func Up(ctx context.Context, plan soak.Plan, dir string, virtual *Virtual) (bed *Testbed, err error) {
	b := &Testbed{Topic: cmp.Or(plan.Subject.Settings["STREAMER_TOPIC"], schema.Topic), plan: plan, dir: dir, virtual: virtual}
	if plan.Virtual != (virtual != nil) {
		return nil, fmt.Errorf("plan %s: virtual time in the plan: %v, and where it runs: %v", plan.Name, plan.Virtual, virtual != nil)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	listener, err := b.openStore(ctx)
	if err != nil {
		return nil, err
	}
	if b.Source, err = openSource(plan); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(plan.Injections, func(in soak.Injection) bool { return in.Fault == fakebinance.KindHalt }) {
		if b.Source, err = fakebinance.NewHalts(b.Source); err != nil {
			return nil, err
		}
	}
	exchangeLog, err := b.openLog("exchange.log")
	if err != nil {
		return nil, err
	}
	b.Exchange, err = fakebinance.New(fakebinance.Options{
		Source:   b.Source,
		Seed:     plan.Seed,
		Listener: listener,
		TLS:      true,
		Logger:   slog.New(slog.NewJSONHandler(exchangeLog, nil)),
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
			Seed: plan.Seed, Symbols: plan.Symbols, Rate: plan.Traffic.Rate, Bunch: plan.Traffic.Bunch.D(), Start: time.Now(),
		})
	}
	capture, err := fakebinance.OpenCapture(plan.Traffic.Capture)
	if err != nil {
		return nil, err
	}
	return fakebinance.NewReplay(capture, time.Now(), cmp.Or(plan.Traffic.Speed, 1))
}

// StartSubject starts the subject's process or container. That it runs does
// not mean that it works: see WaitReady.
func (b *Testbed) StartSubject(ctx context.Context) error {
	logPath := filepath.Join(b.dir, "logs", b.plan.Subject.Name+".log")
	if b.stack != nil {
		container, err := b.stack.StartSubject(ctx, b.variables())
		if err != nil {
			return err
		}
		b.lives.begin(&Contained{Container: container, logPath: logPath}, NewEndpoints(b.stack.SubjectAddress()))
		return b.startPrometheus(ctx)
	}
	if b.virtual != nil {
		address := b.lives.place()
		called, err := b.virtual.call(b.plan.Subject.Name, address, logPath, b.settings())
		if err != nil {
			return err
		}
		b.lives.begin(called, newEndpoints(address, b.virtual.Network.Dial))
		return nil
	}
	process, endpoints, err := StartSubject(b.plan.Subject.Name, b.plan.Subject.Command, b.settings(), logPath)
	if err != nil {
		return err
	}
	b.lives.begin(process, endpoints)
	return nil
}

// startPrometheus starts the one that watches the subject, where the plan has
// one. It comes after the subject, whose name it must find.
func (b *Testbed) startPrometheus(ctx context.Context) error {
	image := b.plan.Containers.PrometheusImage
	if image == "" || b.Prometheus != nil { // not wanted, or there since an earlier life of the subject
		return nil
	}
	if err := b.stack.StartPrometheus(ctx, image); err != nil {
		return err
	}
	b.Prometheus = NewPrometheus(b.stack.PrometheusAddress())
	return nil
}

// DescribeImage says what a subject in a container is: its image, the version
// in its label and its hash.
func (b *Testbed) DescribeImage(ctx context.Context) (soak.SubjectBuild, error) {
	build := soak.SubjectBuild{Name: b.plan.Subject.Name, Command: strings.Join(b.plan.Subject.Command, " ")}
	var err error
	build.Version, build.SHA256, err = b.stack.Image(ctx, b.plan.Subject.Command[0])
	return build, err
}

// settings is all that a subject is told beside its own address: little of the
// harness's own, so that a run does not depend on the shell that it was
// started from.
func (b *Testbed) settings() map[string]string {
	settings := map[string]string{
		"STREAMER_SYMBOLS":             strings.Join(b.plan.Symbols, ","),
		"STREAMER_WS_URL":              b.Exchange.WebSocketURL(),
		"STREAMER_REST_URL":            b.Exchange.RESTURL(),
		"STREAMER_TLS_CA_FILE":         b.caPath(),
		"STREAMER_KAFKA_BROKERS":       strings.Join(b.Store.Brokers(), ","),
		"STREAMER_SCHEMA_REGISTRY_URL": b.Store.RegistryURL(),
		"STREAMER_TOPIC":               b.Topic,
	}
	if b.virtual != nil {
		settings["STREAMER_INSTANCE_ID"] = b.lives.instance()
	}
	maps.Copy(settings, b.plan.Subject.Settings)
	return settings
}

// variables are those of the compose file, by which a subject in a container
// is told the same; Kafka and the registry it knows by their names there.
func (b *Testbed) variables() map[string]string {
	v := map[string]string{
		"SOAK_SYMBOLS":     strings.Join(b.plan.Symbols, ","),
		"SOAK_WS_URL":      b.Exchange.WebSocketURL(),
		"SOAK_REST_URL":    b.Exchange.RESTURL(),
		"SOAK_CERTS":       filepath.Dir(b.caPath()),
		"SOAK_TOPIC":       b.Topic,
		"STREAMER_IMAGE":   b.plan.Subject.Command[0],
		"STREAMER_COMMAND": strings.Join(b.plan.Subject.Command[1:], " "),
		"STREAMER_CPUS":    fmt.Sprint(b.plan.Containers.CPUs),
		"STREAMER_MEMORY":  fmt.Sprintf("%dm", b.plan.Containers.MemoryMB),
	}
	for setting, value := range b.plan.Subject.Settings {
		v["SOAK_"+strings.TrimPrefix(setting, "STREAMER_")] = value
	}
	return v
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
	for {
		now := b.lives.current()
		err := waitReady(ctx, now.process, now.endpoints, within)
		var notReady *NotReadyError
		if !errors.As(err, &notReady) || notReady.Exit == nil || !b.succeeded(ctx, now) {
			return err
		}
	}
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
	sample := soak.Sample{At: time.Now().UTC(), Subject: b.plan.Subject.Name}
	now := b.lives.current()
	if reading, err := now.process.Reading(ctx); err == nil {
		sample.RSSBytes, sample.VMSBytes = reading.RSSBytes, reading.VMSBytes
		sample.CPUSeconds, sample.Threads, sample.OpenFiles = reading.CPUSeconds, reading.Threads, reading.OpenFiles
	}
	if own, err := OwnReading(ctx); err == nil {
		sample.HarnessRSSBytes, sample.HarnessCPUSeconds = own.RSSBytes, own.CPUSeconds
	}
	metrics, err := now.endpoints.Metrics(ctx)
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
		problems = append(problems, b.Endpoints().SaveProfile(ctx, name, path))
	}
	return errors.Join(problems...)
}

// Close kills the subject if it still runs and stops everything else.
func (b *Testbed) Close() error {
	var problems []error
	b.replacing.Wait()
	if now := b.lives.current(); now != nil {
		now.process.Kill()
		now.endpoints.Close()
	}
	if b.Prometheus != nil {
		b.Prometheus.Close()
	}
	if b.Exchange != nil {
		problems = append(problems, b.Exchange.Close())
	}
	if b.backend != nil {
		b.backend.Close()
	}
	if b.stack != nil {
		problems = append(problems, b.stack.Close())
	}
	if b.schemas != nil {
		b.schemas.Close()
	}
	if b.memory != nil {
		problems = append(problems, b.memory.Close())
	}
	for _, log := range b.logs {
		problems = append(problems, log.Close())
	}
	return errors.Join(problems...)
}

// caPath is in the run directory; for a subject in a container in a directory
// of its own, which is all of the run that it is given to see.
func (b *Testbed) caPath() string {
	path := filepath.Join(b.dir, "ca.pem")
	if b.stack != nil {
		path = filepath.Join(b.dir, certsDir, "ca.pem")
	}
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
