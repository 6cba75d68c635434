package streamer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"steadfeed/streamer/internal/kafka"
)

// kafka tries the brokers, and asks for every right that is needed.
func (k *checked) kafka(ctx context.Context, c *Config) {
	connection, err := c.kafka()
	if err != nil {
		k.fail("credentials for Kafka", err)
		return
	}
	security := connection.Security
	if security.Mechanism == kafka.Plain && security.TLS == nil {
		k.note("credentials for Kafka", "%s without TLS: the password can be read on the way", kafka.Plain)
	}
	for _, broker := range c.KafkaBrokers {
		k.reach(ctx, c, "broker", broker, security.TLS)
	}
	probe, err := kafka.NewProbe(connection)
	if err != nil {
		k.fail("Kafka", err)
		return
	}
	defer probe.Close()
	as := "without authentication"
	if security.Mechanism != "" {
		as = fmt.Sprintf("with %s as %q", security.Mechanism, security.User)
	}
	if err := probe.Ping(ctx); !k.judge("Kafka", err, "answers, %s", as) {
		return
	}
	topics := 0
	for _, need := range c.rights() {
		what := need.about + " " + need.name
		switch need.about {
		case aboutTopic:
			if topics++; topics > maxChecked {
				continue
			}
			k.topic(ctx, c, probe, need)
		case aboutGroup:
			found, err := probe.Group(ctx, need.name)
			k.allowed(what, need, found, err, "")
		case aboutTransactional:
			k.judge(what, probe.Transactional(ctx, need.name+"check"), "may be written under")
		}
	}
	if topics > maxChecked {
		k.note("topics", "the first %d of %d were looked at", maxChecked, topics)
	}
}

// topic judges one topic: there with the rights that are needed, or to be
// created.
func (k *checked) topic(ctx context.Context, c *Config, probe *kafka.Probe, need right) {
	what := need.about + " " + need.name
	found, err := probe.Topic(ctx, need.name)
	if err == nil && !found.Exists {
		partitions := c.Partitions
		if need.name == c.besideTopic(quarantineSuffix) {
			partitions = 1
		}
		err := probe.CouldCreate(ctx, need.name, partitions, c.ReplicationFactor)
		if err != nil {
			err = fmt.Errorf("does not exist, and could not be created: %w", err)
		}
		k.judge(what, err, "does not exist, and would be created with %d partitions", partitions)
		return
	}
	k.allowed(what, need, found, err, fmt.Sprintf("%d partitions, ", found.Partitions))
}

// allowed judges what the brokers say we may do.
func (k *checked) allowed(what string, need right, found kafka.Found, err error, seen string) {
	switch {
	case err != nil:
		k.fail(what, err)
	case !found.Exists:
		k.ok(what, "does not exist yet, and may be asked about")
	case found.Allowed == nil:
		k.note(what, "%sthe brokers do not say what is allowed", seen)
	default:
		var missing []string
		for _, operation := range need.operations {
			if !slices.Contains(found.Allowed, operation) {
				missing = append(missing, operation)
			}
		}
		if missing != nil {
			err = fmt.Errorf("no right to %s", strings.Join(missing, ", "))
		}
		k.judge(what, err, "%s%s allowed", seen, strings.Join(need.operations, ", "))
	}
}
