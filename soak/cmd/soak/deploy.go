package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"steadfeed/soak"
	"steadfeed/soak/internal/rounds"
	"steadfeed/soak/internal/testbed"
)

// deployScript is what is tried, from the directory of the checkout.
const deployScript = "scripts/deploy-blue-green.sh"

func deployCommand() *cli.Command {
	return &cli.Command{
		Name:  "deploy",
		Usage: "try the deployment script under traffic: replaced and kept, replaced and taken back",
		Description: "Starts a real Kafka and the subject's image in containers, lets " + deployScript + " replace it by\n" +
			"another of the same image, and then by one that it finds wanting, each so many times, and accounts\n" +
			"for every trade. Needs Docker Engine on this machine.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "rounds", Value: 2, Usage: "deployments of each kind"},
			&cli.StringFlag{Name: "subject", Value: streamerImage, Usage: "image under test, and arguments, separated by spaces"},
			&cli.StringFlag{Name: "script", Value: deployScript, Usage: "that deploys"},
			&cli.StringFlag{Name: "kafka-image", Value: testbed.KafkaImage, Usage: "image of the broker", Sources: cli.EnvVars("KAFKA_IMAGE")},
			&cli.FloatFlag{Name: "rate", Value: 300, Usage: "trades per second, of all symbols together"},
			&cli.IntFlag{Name: "symbols", Value: 6, Usage: "how many"},
			&cli.Uint64Flag{Name: "seed", HideDefault: true, Usage: "of trades (default: drawn by lot and printed)"},
			&cli.StringFlag{Name: "out", Value: "runs", Usage: "directory in which the run directory is made"},
		},
		Action: runDeploy,
	}
}

func runDeploy(ctx context.Context, command *cli.Command) error {
	options, err := chooseDeploy(command)
	if err != nil {
		return err
	}
	ctx, hard, stop := interrupts(ctx)
	defer stop()
	stdout := command.Root().Writer
	fmt.Fprintf(stdout, "deployments of %s, %d kept and %d taken back, seed %d, %g trades/s of %d symbols\n",
		strings.Join(options.Subject.Command, " "), options.Rounds, options.Rounds, options.Seed, options.Rate, options.Symbols)
	if err := testbed.HaveImage(ctx, options.Subject.Command[0]); err != nil {
		return broken(fmt.Errorf("%w; make images builds ours", err))
	}
	if err := rounds.RemoveDeployed(ctx); err != nil {
		return broken(err)
	}
	kafka, err := testbed.StartContainers(ctx, 1, command.String("kafka-image"))
	if err != nil {
		if ctx.Err() != nil {
			return &ending{soak.ExitInterrupted, errors.New("interrupted")}
		}
		return broken(err)
	}
	options.Kafka, options.Hard, options.OnRound = kafka, hard, func(r rounds.Round) { printRound(stdout, r, options.Rounds) }
	status := playRounds(ctx, options, stdout)
	if err := kafka.Close(); err != nil {
		return broken(err)
	}
	return status
}

// chooseDeploy reads the flags.
func chooseDeploy(command *cli.Command) (rounds.Options, error) {
	options := rounds.Options{
		Rounds: command.Int("rounds"), Rate: command.Float("rate"), Symbols: command.Int("symbols"),
		Seed: seedOf(command), Out: command.String("out"),
	}
	subject := strings.Fields(command.String("subject"))
	switch {
	case command.Args().Present():
		return options, usage("soak deploy takes no argument, given %q", command.Args().First())
	case options.Rounds < 1 || options.Rounds > maxRounds:
		return options, usage("-rounds %d: 1 to %d are possible", options.Rounds, maxRounds)
	case options.Symbols < 1 || options.Symbols > rounds.MaxSymbols:
		return options, usage("-symbols %d: 1 to %d are possible", options.Symbols, rounds.MaxSymbols)
	case options.Rate <= 0:
		return options, usage("-rate %g: it must be positive", options.Rate)
	case len(subject) == 0:
		return options, usage("-subject names no image")
	}
	if _, err := os.Stat(command.String("script")); err != nil {
		return options, usage("-script: %w; run it in the checkout", err)
	}
	self, err := os.Executable()
	if err != nil {
		return options, broken(fmt.Errorf("find this program, which audits for the script: %w", err))
	}
	if err := withoutReaper(); err != nil {
		return options, err
	}
	options.Subject = soak.Subject{Name: subjectName(subject[0]), Command: subject}
	options.Deploying = &rounds.Deploying{Script: command.String("script"), Audit: self + " audit -rest-url none -sample 0"}
	return options, nil
}
