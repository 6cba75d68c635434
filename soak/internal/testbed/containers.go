package testbed

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// KafkaImage is the real Kafka where nothing else is asked for.
const KafkaImage = "apache/kafka:4.4.0"

const (
	// containerLabel is on everything that is started here, so that what a
	// killed harness left behind can be found by hand:
	// docker ps --all --filter label=steadfeed.soak
	containerLabel = "steadfeed.soak"

	// brokersWithin: one broker answers within 5 s on an idle machine and three
	// within 15 s; a busy one takes several times that.
	brokersWithin = 2 * time.Minute

	// stopSeconds is how long an orderly stop of a broker may take before it is
	// killed; on an idle machine it takes two.
	stopSeconds = "20"

	// closeWithin bounds the removal of containers, which must go on when the
	// context of the test has ended.
	closeWithin = time.Minute
)

// Containers is a real Kafka in containers of this machine, without volumes:
// its log survives kill and start, and goes when Close removes them. It drives
// the docker command and needs no library for that: five commands are all.
// Names are fixed, so at most one of each size runs on a machine; what an
// earlier one left behind is removed first.
type Containers struct {
	network string
	names   []string
	ports   []string
}

var _ Kafka = (*Containers)(nil)

// StartContainers starts n brokers, each also a controller, and waits until all
// of them answer. With three, topics have three replicas and are written while
// two are there. image is KafkaImage when empty.
func StartContainers(ctx context.Context, n int, image string) (_ *Containers, err error) {
	c := &Containers{network: fmt.Sprintf("soak-kafka%d", n)}
	for i := range n {
		address, err := freePort()
		if err != nil {
			return nil, err
		}
		_, port, _ := net.SplitHostPort(address) // it was made by JoinHostPort
		c.names = append(c.names, fmt.Sprintf("%s-%d", c.network, i+1))
		c.ports = append(c.ports, port)
	}
	if err := c.Close(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if _, err := docker(ctx, "network", "create", "--label", containerLabel, c.network); err != nil {
		return nil, fmt.Errorf("start Kafka: %w", err)
	}
	for i, name := range c.names {
		args := []string{"run", "--detach", "--name", name, "--hostname", name, "--network", c.network, "--label", containerLabel,
			"--publish", "127.0.0.1:" + c.ports[i] + ":9092"}
		for _, setting := range c.settings(i) {
			args = append(args, "--env", setting)
		}
		if _, err := docker(ctx, append(args, cmp.Or(image, KafkaImage))...); err != nil {
			return nil, fmt.Errorf("start broker %s: %w", name, err)
		}
	}
	return c, c.await(ctx)
}

// settings of broker i. A broker talks to the others, and to itself, by
// INTERNAL, and to this machine by EXTERNAL: with a single listener advertised
// as 127.0.0.1:port its transaction coordinator would look for itself at a
// port that does not exist inside the container, and transactions would hang.
func (c *Containers) settings(i int) []string {
	voters := make([]string, len(c.names))
	for n, name := range c.names {
		voters[n] = fmt.Sprintf("%d@%s:9093", n+1, name)
	}
	replicas := strconv.Itoa(len(c.names))
	inSync := strconv.Itoa(max(len(c.names)-1, 1))
	return []string{
		"CLUSTER_ID=c3RlYWRmZWVkLXNvYWsxMQ", // any 16 bytes in base64url, the same for all
		"KAFKA_NODE_ID=" + strconv.Itoa(i+1),
		"KAFKA_PROCESS_ROLES=broker,controller",
		"KAFKA_CONTROLLER_QUORUM_VOTERS=" + strings.Join(voters, ","),
		"KAFKA_LISTENERS=INTERNAL://:29092,EXTERNAL://:9092,CONTROLLER://:9093",
		"KAFKA_ADVERTISED_LISTENERS=INTERNAL://" + c.names[i] + ":29092,EXTERNAL://127.0.0.1:" + c.ports[i],
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"KAFKA_INTER_BROKER_LISTENER_NAME=INTERNAL",
		"KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER",
		"KAFKA_DEFAULT_REPLICATION_FACTOR=" + replicas,
		"KAFKA_MIN_INSYNC_REPLICAS=" + inSync,
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=" + replicas,
		"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=" + replicas,
		"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=" + inSync,
		"KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR=" + replicas,
		"KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR=" + inSync,
		// Of 50 each by default, which a killed broker recovers one by one.
		"KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS=5",
		"KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS=5",
		"KAFKA_LOG_DIRS=/tmp/kraft-combined-logs",
		"KAFKA_HEAP_OPTS=-Xms256m -Xmx512m", // three must fit beside the test
	}
}

// await waits until every broker is in the metadata of the cluster.
func (c *Containers) await(ctx context.Context) error {
	err := awaitKafka(ctx, c.Brokers(), brokersWithin, "wait for the brokers", func(ctx context.Context, admin *kadm.Client) (string, error) {
		brokers, err := admin.ListBrokers(ctx)
		if err == nil && len(brokers) == len(c.names) {
			return "", nil
		}
		return fmt.Sprintf("%d of %d answered", len(brokers), len(c.names)), err
	})
	if err == nil {
		return nil
	}
	log, _ := docker(context.WithoutCancel(ctx), "logs", "--tail", strconv.Itoa(tailLines), c.names[0]) // what there is of it
	return fmt.Errorf("%w; the log of %s ends: %s", err, c.names[0], log)
}

// Brokers implements Kafka.
func (c *Containers) Brokers() []string {
	addresses := make([]string, len(c.ports))
	for i, port := range c.ports {
		addresses[i] = net.JoinHostPort("127.0.0.1", port)
	}
	return addresses
}

// Network is the name of the network that the brokers are in.
func (c *Containers) Network() string { return c.network }

// Inside are the brokers' addresses for containers of that network.
func (c *Containers) Inside() []string {
	addresses := make([]string, len(c.names))
	for i, name := range c.names {
		addresses[i] = net.JoinHostPort(name, "29092")
	}
	return addresses
}

// Gateway is the address of this machine for containers of that network.
func (c *Containers) Gateway(ctx context.Context) (string, error) {
	gateway, err := docker(ctx, "network", "inspect", "--format", "{{range .IPAM.Config}}{{println .Gateway}}{{end}}", c.network)
	if err != nil {
		return "", fmt.Errorf("look for the gateway of %s: %w", c.network, err)
	}
	gateway, _, _ = strings.Cut(gateway, "\n")
	return gateway, nil
}

// Nodes implements Kafka.
func (c *Containers) Nodes() int { return len(c.names) }

// Away implements Kafka.
func (c *Containers) Away(ctx context.Context, node int, hard bool) error {
	return containerAway(ctx, c.names[node], hard)
}

// Back implements Kafka.
func (c *Containers) Back(ctx context.Context, node int) error {
	return containerBack(ctx, c.names[node])
}

// Close removes the containers, their anonymous volumes and their network,
// those that there are.
func (c *Containers) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	if left, err := docker(ctx, "ps", "--all", "--quiet", "--filter", "name=^"+c.network+"-"); err != nil {
		return fmt.Errorf("look for brokers left behind: %w", err)
	} else if left != "" {
		if _, err := docker(ctx, append([]string{"rm", "--force", "--volumes"}, strings.Fields(left)...)...); err != nil {
			return fmt.Errorf("remove the brokers of %s: %w", c.network, err)
		}
	}
	if left, err := docker(ctx, "network", "ls", "--quiet", "--filter", "name=^"+c.network+"$"); err != nil {
		return fmt.Errorf("look for a network left behind: %w", err)
	} else if left != "" {
		if _, err := docker(ctx, "network", "rm", c.network); err != nil {
			return fmt.Errorf("remove the network %s: %w", c.network, err)
		}
	}
	return nil
}

// docker runs the docker command and returns what it printed.
func docker(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "docker", args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
