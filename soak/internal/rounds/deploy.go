package rounds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// Deploying says how the deployment script is tried: the subject is an image,
// and runs in a container beside a Kafka in containers.
type Deploying struct {
	Script string // path of the deployment script
	// Audit is the command with which the script asks whether the topic has a
	// gap; the addresses and the topic are added to it.
	Audit string
}

// enclosed is a Kafka in a network of containers.
type enclosed interface {
	Network() string
	Inside() []string
	Gateway(ctx context.Context) (string, error)
}

// Containers of the subject. The script calls the one that takes the place of
// the first by the other name, and so on.
const (
	blueName  = "soak-deploy-blue"
	greenName = "soak-deploy-green"
)

// RemoveDeployed removes the containers that an earlier test may have left.
func RemoveDeployed(ctx context.Context) error {
	return testbed.RemoveShipped(ctx, blueName, greenName)
}

const (
	// deployPause: a hand-over is a third of a second; with half a core for each
	// of the two, and brokers and auditor beside them, under one.
	deployPause = time.Second
	// rollBackWithin is what the whole of a deployment that is taken back may
	// take, standing by and looking included.
	rollBackWithin = 2 * time.Minute
)

var errNotDeployed = errors.New("was not deployed")

// deployments are played in place of the other kinds when an image is deployed.
var deployments = []kind{deploy, rollback}

// deploy replaces the subject by the same image, by the script that is made
// for that, and keeps it.
var deploy = kind{
	name: "deploy", about: "the script replaces the subject by another of its image and keeps it",
	cast: 1, pause: deployPause,
	trouble: func(ctx context.Context, d *driver, n int, _ *rand.Rand) (string, bool, error) {
		old := d.cast.members[0]
		began := time.Now()
		now, err := d.deploy(ctx, fmt.Sprintf("deploy-%d", n))
		if err != nil {
			return "", false, err
		}
		return fmt.Sprintf("%s took the place of %s and was kept after %s", now, old.name, time.Since(began).Round(time.Second)), now != old.name, nil
	},
}

// rollback has the script find the new one wanting, by a rate that nobody
// reaches, after it has taken the old one's place.
var rollback = kind{
	name: "rollback", about: "the script replaces the subject, finds the new one wanting, and takes it back",
	cast: 1, pause: deployPause,
	trouble: func(ctx context.Context, d *driver, n int, _ *rand.Rand) (string, bool, error) {
		old := d.cast.members[0]
		began := time.Now()
		now, err := d.deploy(ctx, fmt.Sprintf("rollback-%d", n), "DEPLOY_RATE=1000000")
		took := time.Since(began).Round(time.Second)
		if !errors.Is(err, testbed.ErrNotDeployed) {
			return "", false, errors.Join(errors.New("a new one that is wanting was kept"), err)
		}
		return fmt.Sprintf("%s delivers again, %s after the beginning", now, took), now == old.name && took < rollBackWithin, nil
	},
}

// deploy runs the script and takes charge of the container that delivers in
// the end. It returns its name.
func (d *driver) deploy(ctx context.Context, name string, settings ...string) (string, error) {
	old := d.cast.members[0]
	log := func(name string) string { return filepath.Join(d.dir.Dir(), soak.LogsDir, name+".log") }
	audits := filepath.Join(d.dir.Dir(), "audits")
	deployment := testbed.Deployment{
		Script: d.options.Deploying.Script, Blue: old.name, Image: d.plan.Subject.Command[0], LogPath: log(name),
		Settings: append(settings, fmt.Sprintf("DEPLOY_AUDIT=%s -brokers %s -schema-registry-url %s -topic %s -since 10m -out %s",
			d.options.Deploying.Audit, d.topic.Brokers[0], d.topic.Registry, d.topic.Topic, audits)),
	}
	now, failed := deployment.Run(ctx)
	if now == "" {
		return "", failed
	}
	select {
	case <-old.process.Exited(): // also when it was started again: that is another run of the container
		d.course.Subject.Exit = old.process.Exit().Text
		old.process.Kill() // keeps its log
		d.cast.forget(old)
		process, endpoints, err := testbed.FindShipped(ctx, now, log(now))
		if err != nil {
			return "", err
		}
		d.cast.members = append(d.cast.members, &member{name: now, instance: now, process: process, endpoints: endpoints})
	default: // it was never touched
	}
	if failed != nil {
		return now, fmt.Errorf("%s %w: %w", d.plan.Subject.Command[0], errNotDeployed, failed)
	}
	return now, nil
}

// enclose prepares for subjects in containers: exchange and registry are where
// those reach them.
func (d *driver) enclose(ctx context.Context) (net.Listener, error) {
	kafka, ok := d.options.Kafka.(enclosed)
	if !ok {
		return nil, errors.New("an image can only be deployed beside a Kafka in containers")
	}
	gateway, err := kafka.Gateway(ctx)
	if err != nil {
		return nil, err
	}
	registry, err := testbed.NewSharedRegistry(gateway)
	if err != nil {
		return nil, err
	}
	d.registry = registry
	if err := os.Mkdir(d.certs(), 0o755); err != nil {
		return nil, fmt.Errorf("make the directory that containers see: %w", err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway, "0"))
	if err != nil {
		return nil, fmt.Errorf("open the exchange on the containers' gateway: %w; the engine must run on this machine", err)
	}
	return listener, nil
}

// certs is the directory that containers see.
func (d *driver) certs() string { return filepath.Join(d.dir.Dir(), "certs") }

// ship starts the subject's image.
func (c *cast) ship(ctx context.Context, settings map[string]string) (*member, error) {
	d := c.driver
	kafka := d.options.Kafka.(enclosed) // enclose made sure
	settings["STREAMER_INSTANCE_ID"] = blueName
	settings["STREAMER_TLS_CA_FILE"] = testbed.CertsInside + "/ca.pem"
	settings["STREAMER_KAFKA_BROKERS"] = kafka.Inside()[0]
	process, endpoints, err := testbed.StartShipped(ctx, testbed.Shipment{
		Name: blueName, Image: d.plan.Subject.Command[0], Args: d.plan.Subject.Command[1:], Settings: settings,
		Network: kafka.Network(), Certs: d.certs(), LogPath: filepath.Join(d.dir.Dir(), soak.LogsDir, blueName+".log"),
	})
	if err != nil {
		return nil, err
	}
	return &member{name: blueName, instance: blueName, process: process, endpoints: endpoints}, nil
}

// certify writes the exchange's certificate where subjects find it.
func (d *driver) certify() error {
	pem := d.exchange.CertPEM()
	if d.options.Deploying != nil {
		if err := os.WriteFile(filepath.Join(d.certs(), "ca.pem"), pem, 0o644); err != nil {
			return fmt.Errorf("write the exchange's certificate: %w", err)
		}
	}
	return d.dir.WriteFile("ca.pem", func(w io.Writer) error { _, err := w.Write(pem); return err })
}
