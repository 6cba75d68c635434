package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"steadfeed/reports"
	"steadfeed/soak"
	"steadfeed/soak/internal/audit"
	"steadfeed/soak/internal/runner"
	"steadfeed/soak/internal/testbed"
)

const (
	// auditHeap is what the collector is told to keep the audit's memory
	// below: what it fetches turns over so fast that the collector would
	// otherwise let twice the live heap lie about.
	auditHeap = 64 << 20

	// maxSampleTrades bounds -sample: at half the budget that is over an hour
	// of questions.
	maxSampleTrades = 10_000
)

func auditCommand() *cli.Command {
	return &cli.Command{
		Name:  "audit",
		Usage: "read a topic that exists and prove that its trade ids are consecutive, unique and in order",
		Description: "Reads what is committed, to the end seen at the start, in constant memory. Asks the exchange\n" +
			"about each hole, and compares a sample of trades with it. Writes nothing to Kafka.",
		Flags: slices.Concat(kafkaFlags(), []cli.Flag{
			&cli.StringFlag{Name: "format", Value: audit.FormatAuto, Usage: "of values: auto, avro or json"},
			&cli.StringFlag{Name: "symbol-field", Usage: "name of the symbol's field, or " + audit.FromKey + " for the record's key (default: the usual names, then the key)"},
			&cli.StringFlag{Name: "id-field", Usage: "name of the trade id's; a dot leads inwards, as in data.t (default for this and the next: the usual names)"},
			&cli.StringFlag{Name: "price-field"},
			&cli.StringFlag{Name: "quantity-field"},
			&cli.StringFlag{Name: "time-field", Usage: "of the trade's time, not the event's"},
			&cli.StringFlag{Name: "maker-field", Usage: "of whether the buyer was the maker"},
			&cli.DurationFlag{Name: "since", Usage: "begin with records written so long ago (default: with the earliest)"},
			&cli.DurationFlag{Name: "follow", Usage: "go on for so long after the end seen at the start"},
			&cli.BoolFlag{Name: "allow-unreadable", Usage: "records that are no trades do not matter"},
			&cli.StringFlag{Name: "rest-url", Value: "https://api.binance.com", Usage: "base of the exchange's REST API, or none"},
			&cli.FloatFlag{Name: "rest-weight-budget", Value: 50, Usage: fmt.Sprintf("per cent of the %d a minute that the exchange allows an address", audit.ExchangeWeight)},
			&cli.DurationFlag{Name: "rest-within", Value: 5 * time.Minute, Usage: "time for questions, all together"},
			&cli.StringFlag{Name: "rest-tls-ca", Usage: "trust the authorities in this PEM file"},
			&cli.IntFlag{Name: "sample", Value: 100, Usage: "trades to compare with the exchange's"},
			&cli.Uint64Flag{Name: "seed", HideDefault: true, Usage: "of the sample (default: drawn by lot and printed)"},
			&cli.StringFlag{Name: "out", Value: "runs", Usage: "directory in which the run directory is made"},
		}),
		Action: runAudit,
	}
}

func runAudit(ctx context.Context, command *cli.Command) error {
	inspection, err := draftInspection(command)
	if err != nil {
		return err
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(auditHeap))
	ctx, _, stop := interrupts(ctx)
	defer stop()
	stdout := command.Root().Writer
	fmt.Fprintf(stdout, "audit of topic %s, seed %d\n", inspection.Plan.Topic.Name, inspection.Plan.Seed)
	show := newAuditDisplay(stdout)
	inspection.OnEvent, inspection.OnProgress, inspection.Own = show.event, show.progress, ownReading
	run, course, err := inspection.Run(ctx)
	show.end()
	if err != nil {
		return broken(err)
	}
	verdict, err := runner.Judge(run)
	if err != nil {
		return broken(err)
	}
	reportErr := reports.Write(run)
	printVerdict(stdout, run, verdict)
	switch {
	case course.Interrupted:
		return &ending{status: soak.ExitInterrupted}
	case course.Trouble != "":
		return broken(errors.New(course.Trouble))
	case reportErr != nil:
		return broken(fmt.Errorf("write the report: %w", reportErr))
	case verdict.Outcome == soak.Pass:
		return nil
	default:
		return &ending{status: verdict.Outcome.ExitStatus()}
	}
}

// draftInspection is what the flags ask for.
func draftInspection(command *cli.Command) (i audit.Inspection, err error) {
	if command.Args().Present() {
		return i, usage("soak audit takes no argument, given %q", command.Args().First())
	}
	if i.Kafka, err = kafkaSettings(command); err != nil {
		return i, err
	}
	if i.Registry, err = registryClient(command); err != nil {
		return i, err
	}
	trust, err := trustOf(command.String("rest-tls-ca"))
	if err != nil {
		return i, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = trust
	i.HTTP = &http.Client{Transport: transport}
	topic := soak.Topic{
		Name: command.String("topic"), Brokers: list(command.String("brokers")), Registry: command.String("schema-registry-url"),
		Format: command.String("format"), Fields: map[string]string{},
		Since: soak.Duration(command.Duration("since")), Follow: soak.Duration(command.Duration("follow")),
		REST: command.String("rest-url"), Sample: int(command.Int("sample")), AllowUnreadable: command.Bool("allow-unreadable"),
	}
	for _, field := range []string{"symbol", "id", "price", "quantity", "time", "maker"} {
		if name := command.String(field + "-field"); name != "" {
			topic.Fields[field] = name
		}
	}
	if topic.REST == "none" {
		topic.REST = ""
	}
	budget := command.Float("rest-weight-budget")
	switch {
	case topic.Name == "":
		return i, usage("soak audit needs -topic")
	case !slices.Contains([]string{audit.FormatAuto, audit.FormatAvro, audit.FormatJSON}, topic.Format):
		return i, usage("-format %q: auto, avro and json are possible", topic.Format)
	case topic.Since < 0 || topic.Follow < 0:
		return i, usage("-since and -follow must not be negative")
	case topic.Sample < 0 || topic.Sample > maxSampleTrades:
		return i, usage("-sample %d: 0 to %d are possible", topic.Sample, maxSampleTrades)
	case budget < 1 || budget > 100:
		return i, usage("-rest-weight-budget %g: 1 to 100 per cent are possible", budget)
	case command.Duration("rest-within") <= 0:
		return i, usage("-rest-within %s: it must be positive", command.Duration("rest-within"))
	}
	if topic.REST != "" && !strings.Contains(topic.REST, "://") {
		return i, usage("-rest-url %q: an address such as https://api.binance.com, or none", topic.REST)
	}
	i.Weight, i.Asking = budget/100*audit.ExchangeWeight, command.Duration("rest-within")
	seed := seedOf(command)
	i.Plan, i.Out = audit.NewPlan(topic, seed), command.String("out")
	return i, nil
}

func ownReading() (rssBytes int64, cpuSeconds float64) {
	own, err := testbed.OwnReading(context.Background())
	if err != nil {
		return 0, 0 // a chart less
	}
	return own.RSSBytes, own.CPUSeconds
}

// auditDisplay shows an audit while it lasts.
type auditDisplay struct {
	out      io.Writer
	live     bool
	began    time.Time
	printed  time.Time
	findings int
}

func newAuditDisplay(out io.Writer) *auditDisplay {
	d := &auditDisplay{out: out, began: time.Now(), printed: time.Now()}
	if file, isFile := out.(*os.File); isFile && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
		d.live = true
	}
	return d
}

func (d *auditDisplay) event(event soak.Event) {
	if event.Kind == soak.EventFinding {
		if d.findings++; d.findings > maxShownFindings {
			return
		}
	}
	d.end()
	fmt.Fprintln(d.out, eventLine(event))
}

func (d *auditDisplay) progress(p audit.Progress) {
	now := time.Now()
	if !d.live && now.Sub(d.printed) < plainEvery {
		return
	}
	d.printed = now
	d.end()
	fmt.Fprintf(d.out, "read %d of %d, %.0f a second, %d symbols, findings %d, RSS %s",
		p.Read, p.Records, float64(p.Read)/max(now.Sub(d.began).Seconds(), 0.1), p.Symbols, p.Findings, megabytes(p.RSSBytes))
	if !d.live {
		fmt.Fprintln(d.out)
	}
}

// end takes the line of progress off a terminal.
func (d *auditDisplay) end() {
	if d.live {
		fmt.Fprint(d.out, "\r\x1b[K")
	}
}
