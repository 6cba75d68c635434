package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"steadfeed/reports"
	"steadfeed/soak"
	"steadfeed/soak/internal/rounds"
	"steadfeed/soak/internal/runner"
	"steadfeed/soak/internal/testbed"
)

// Words for -kafka beside addresses.
const (
	kafkaMemory     = "kfake"
	kafkaContainer  = "container"
	kafkaContainer3 = "container3"
)

// allKinds is the word for -kinds that stands for all of them.
const allKinds = "all"

// maxRounds bounds the rounds of a kind: more than a night of the shortest.
const maxRounds = 10_000

func roundsCommand() *cli.Command {
	names, about := rounds.Kinds()
	var kinds strings.Builder
	for i := range names {
		fmt.Fprintf(&kinds, "\n%-12s %s", names[i], about[i])
	}
	return &cli.Command{
		Name:        "rounds",
		Usage:       "exactly once through the end of processes and brokers: the same trouble again and again",
		Description: "Kinds of trouble:" + kinds.String(),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "kinds", Value: allKinds, Usage: "comma-separated, in the order in which they are played"},
			&cli.IntFlag{Name: "rounds", Value: 2, Usage: "of each kind"},
			&cli.DurationFlag{Name: "quiet", Value: 30 * time.Second, Usage: "length of the kind quiet"},
			&cli.StringFlag{Name: "kafka", Value: kafkaMemory, Usage: "where the topic lives: " + kafkaMemory + " (in memory), " + kafkaContainer +
				" (one real broker in Docker), " + kafkaContainer3 + " (three), or the addresses of one that is there, host:port,..."},
			&cli.StringFlag{Name: "broker-containers", Usage: "containers of the brokers at these addresses, comma-separated in the same order: they are killed and started"},
			&cli.StringFlag{Name: "kafka-image", Value: testbed.KafkaImage, Usage: "image of the containers", Sources: cli.EnvVars("KAFKA_IMAGE")},
			&cli.FloatFlag{Name: "rate", Value: 1000, Usage: "trades per second, of all symbols together"},
			&cli.IntFlag{Name: "symbols", Value: 20, Usage: "how many"},
			&cli.Uint64Flag{Name: "seed", HideDefault: true, Usage: "of trades and of the moments of trouble (default: drawn by lot and printed)"},
			&cli.StringFlag{Name: "subject", Usage: "command line of the streamer under test, separated by spaces (default: the streamer beside this program)"},
			&cli.StringFlag{Name: "out", Value: "runs", Usage: "directory in which the run directory is made"},
		},
		Action: runRounds,
	}
}

func runRounds(ctx context.Context, command *cli.Command) error {
	options, err := chooseRounds(command)
	if err != nil {
		return err
	}
	ctx, hard, stop := interrupts(ctx)
	defer stop()
	stdout := command.Root().Writer
	fmt.Fprintf(stdout, "rounds of %s, %d each, seed %d, %g trades/s of %d symbols, Kafka: %s, subject: %s\n",
		strings.Join(options.Kinds, ", "), options.Rounds, options.Seed, options.Rate, options.Symbols,
		command.String("kafka"), strings.Join(options.Subject.Command, " "))
	if options.Kafka, err = startKafka(ctx, command); err != nil {
		if ctx.Err() != nil {
			return &ending{soak.ExitInterrupted, errors.New("interrupted")}
		}
		return broken(err)
	}
	options.Hard, options.OnRound = hard, func(r rounds.Round) { printRound(stdout, r, options.Rounds) }
	status := playRounds(ctx, options, stdout)
	if err := options.Kafka.Close(); err != nil {
		return broken(err)
	}
	return status
}

// chooseRounds reads the flags. Whatever cannot work is found here, before
// anything is started or written.
func chooseRounds(command *cli.Command) (rounds.Options, error) {
	options := rounds.Options{
		Rounds: command.Int("rounds"), Quiet: command.Duration("quiet"), Rate: command.Float("rate"), Symbols: command.Int("symbols"),
		Seed: seedOf(command), Out: command.String("out"),
	}
	names, _ := rounds.Kinds()
	options.Kinds = strings.Split(command.String("kinds"), ",")
	if command.String("kinds") == allKinds {
		options.Kinds = names
	}
	for _, kind := range options.Kinds {
		if !slices.Contains(names, kind) {
			return options, usage("-kinds %q: there is %s, and %s for all of them", kind, strings.Join(names, ", "), allKinds)
		}
	}
	switch {
	case command.Args().Present():
		return options, usage("soak rounds takes no argument, given %q", command.Args().First())
	case options.Rounds < 1 || options.Rounds > maxRounds:
		return options, usage("-rounds %d: 1 to %d are possible", options.Rounds, maxRounds)
	case options.Symbols < 1 || options.Symbols > rounds.MaxSymbols:
		return options, usage("-symbols %d: 1 to %d are possible", options.Symbols, rounds.MaxSymbols)
	case options.Rate <= 0:
		return options, usage("-rate %g: it must be positive", options.Rate)
	case options.Quiet <= 0:
		return options, usage("-quiet %s: it must be positive", options.Quiet)
	}
	switch kafka := command.String("kafka"); kafka {
	case kafkaMemory, kafkaContainer, kafkaContainer3:
		if command.IsSet("broker-containers") {
			return options, usage("-broker-containers goes with the addresses of a Kafka that is there, not with -kafka %s", kafka)
		}
	default:
		if !strings.Contains(kafka, ":") {
			return options, usage("-kafka %q: neither %s, %s, %s nor addresses", kafka, kafkaMemory, kafkaContainer, kafkaContainer3)
		}
	}
	subject := strings.Fields(command.String("subject"))
	if len(subject) == 0 {
		subject = []string{defaultSubject()}
	}
	path, err := testbed.FindProgram(subject)
	if err != nil {
		return options, broken(err)
	}
	options.Subject = soak.Subject{Name: filepath.Base(path), Command: subject}
	return options, nil
}

func startKafka(ctx context.Context, command *cli.Command) (testbed.Kafka, error) {
	image := command.String("kafka-image")
	switch kafka := command.String("kafka"); kafka {
	case kafkaMemory:
		return testbed.NewMemory(io.Discard)
	case kafkaContainer:
		return testbed.StartContainers(ctx, 1, image)
	case kafkaContainer3:
		return testbed.StartContainers(ctx, 3, image)
	default:
		there := &testbed.Existing{Addresses: strings.Split(kafka, ",")}
		if containers := command.String("broker-containers"); containers != "" {
			there.Containers = strings.Split(containers, ",")
		}
		return there, nil
	}
}

// playRounds plays, judges and prints.
func playRounds(ctx context.Context, options rounds.Options, stdout io.Writer) error {
	result, err := rounds.Run(ctx, options)
	if err != nil {
		return broken(err)
	}
	verdict, err := runner.Judge(result.Run)
	if err != nil {
		return broken(err)
	}
	reportErr := reports.Write(result.Run)
	printTable(stdout, result)
	printVerdict(stdout, result.Run, verdict)
	switch {
	case result.Course.Interrupted:
		return &ending{status: soak.ExitInterrupted}
	case verdict.Outcome == soak.Fail:
		return &ending{status: soak.ExitFail}
	case result.Course.Trouble != "":
		return broken(errors.New(result.Course.Trouble))
	case reportErr != nil:
		return broken(fmt.Errorf("write the report: %w", reportErr))
	case verdict.Outcome == soak.Pass:
		return nil
	default:
		return &ending{status: verdict.Outcome.ExitStatus()}
	}
}

func printRound(out io.Writer, r rounds.Round, of int) {
	if r.Kind == rounds.First {
		of = 1
	}
	state := "exactly once"
	if r.Lost+r.Duplicate+r.Disordered+r.Altered != 0 {
		state = fmt.Sprintf("%d LOST, %d DUPLICATE, %d DISORDERED, %d ALTERED", r.Lost, r.Duplicate, r.Disordered, r.Altered)
	}
	fmt.Fprintf(out, "%s  %-11s %3d/%d  pause %6d ms  well again after %6d ms  %s  (%s)\n", time.Now().UTC().Format(time.TimeOnly),
		r.Kind, r.N, of, r.Pause.D().Milliseconds(), r.Recovered.D().Milliseconds(), state, r.Evidence)
	if r.Err != "" {
		fmt.Fprintf(out, "          %s\n", r.Err)
	}
}

func printTable(out io.Writer, result rounds.Result) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\nkind\trounds\tlost\tduplicate\tdisordered\taltered\tpause min\tp50\tp99\tmax ms\t")
	for _, row := range result.Table {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t", row.Kind, row.Rounds, row.Lost, row.Duplicate, row.Disordered, row.Altered)
		for _, pause := range []soak.Duration{row.PauseMin, row.PauseP50, row.PauseP99, row.PauseMax} {
			fmt.Fprintf(table, "%d\t", pause.D().Milliseconds())
		}
		fmt.Fprintln(table)
	}
	table.Flush()
	if quiet := result.Quiet; quiet != nil {
		fmt.Fprintf(out, "\nquiet: visible after %.0f ms (p50), %.0f ms (p99), %.0f ms (max) of %d trades\n",
			1000*quiet.P50, 1000*quiet.P99, 1000*quiet.Max, quiet.Trades)
	}
	for _, why := range result.LeftOut {
		fmt.Fprintln(out, "left out:", why)
	}
}
