package rounds

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// settlePoll is how often subjects are asked how they stand.
const settlePoll = 25 * time.Millisecond

// member is one subject that runs.
type member struct {
	name      string // of the process, its log and its events
	instance  string // what it is called in the group
	process   testbed.Process
	endpoints *testbed.Endpoints
	standing  testbed.Standing // as last told
}

// cast is the subjects that run, in the order in which they were started. No
// more than three ever do.
type cast struct {
	driver  *driver
	members []*member
}

// instances are the names that subjects take in the group, the first that is
// free: as hosts keep theirs.
var instances = []string{"a", "b", "c", "d"}

// free is a name that nobody has.
func (c *cast) free() string {
	i := slices.IndexFunc(instances, func(name string) bool {
		return !slices.ContainsFunc(c.members, func(m *member) bool { return m.instance == name })
	})
	return instances[i]
}

// start starts a subject. It may take its time to settle.
func (c *cast) start(name, instance string) (*member, error) {
	d := c.driver
	settings := map[string]string{
		"STREAMER_SYMBOLS":             strings.Join(d.plan.Symbols, ","),
		"STREAMER_WS_URL":              d.exchange.WebSocketURL(),
		"STREAMER_REST_URL":            d.exchange.RESTURL(),
		"STREAMER_TLS_CA_FILE":         filepath.Join(d.dir.Dir(), "ca.pem"),
		"STREAMER_KAFKA_BROKERS":       strings.Join(d.topic.Brokers, ","),
		"STREAMER_SCHEMA_REGISTRY_URL": d.registry.URL(),
		"STREAMER_INSTANCE_ID":         instance,
	}
	for name, value := range d.plan.Subject.Settings {
		settings[name] = value
	}
	if d.options.Deploying != nil {
		m, err := c.ship(d.hard, settings)
		if err != nil {
			return nil, err
		}
		c.members = append(c.members, m)
		d.event(soak.EventSubject, m.name, "started")
		return m, nil
	}
	log := filepath.Join(d.dir.Dir(), soak.LogsDir, name+".log")
	process, endpoints, err := testbed.StartSubject(name, d.plan.Subject.Command, settings, log)
	if err != nil {
		return nil, err
	}
	m := &member{name: name, instance: instance, process: process, endpoints: endpoints}
	c.members = append(c.members, m)
	d.event(soak.EventSubject, name, "started")
	return m, nil
}

// kill ends subjects with SIGKILL, all of them when none is named.
func (c *cast) kill(members ...*member) {
	if len(members) == 0 {
		members = slices.Clone(c.members)
	}
	for _, m := range members {
		m.process.Kill()
		c.forget(m)
	}
}

// forget takes a subject that has ended out of the cast.
func (c *cast) forget(m *member) {
	m.endpoints.Close()
	c.members = slices.DeleteFunc(c.members, func(other *member) bool { return other == m })
	c.driver.event(soak.EventSubject, m.name, "ended: "+m.process.Exit().Text)
}

// drain has a subject end with SIGTERM.
func (c *cast) drain(m *member) error {
	hard := context.AfterFunc(c.driver.hard, m.process.Kill)
	exit := m.process.Terminate(exitWithin)
	hard()
	c.forget(m)
	switch {
	case c.driver.hard.Err() != nil && !exit.Clean(): // killed from here
		return context.Cause(c.driver.hard)
	case exit.Forced:
		return fmt.Errorf("%s %w: still there %s after SIGTERM", m.name, errUncleanEnd, exitWithin)
	case !exit.Clean():
		return fmt.Errorf("%s %w: %s; %s", m.name, errUncleanEnd, exit.Text, lastWords(m))
	}
	c.driver.course.Subject.Exit = exit.Text
	return nil
}

// dismiss drains all subjects at the end of traffic, the last one started first.
func (c *cast) dismiss() error {
	var problems []error
	for _, m := range slices.Backward(slices.Clone(c.members)) {
		problems = append(problems, c.drain(m))
	}
	return errors.Join(problems...)
}

// alive returns an error that wraps errDied when a subject has ended that
// nobody asked to.
func (c *cast) alive() error {
	for _, m := range c.members {
		select {
		case <-m.process.Exited():
			return fmt.Errorf("%s %w: %s; %s", m.name, errDied, m.process.Exit().Text, lastWords(m))
		default:
		}
	}
	return nil
}

// bury takes those out of the cast that have ended by themselves.
func (c *cast) bury() {
	for _, m := range slices.Clone(c.members) {
		select {
		case <-m.process.Exited():
			c.forget(m)
		default:
		}
	}
}

// lastWords is the last line that a subject printed; its log has the others.
func lastWords(m *member) string {
	tail := m.process.Tail()
	if len(tail) == 0 {
		return "it printed nothing"
	}
	return fmt.Sprintf("its last line was: %.400s", tail[len(tail)-1])
}

// muster brings the cast to a size: it starts who is missing, drains who is
// too many, and waits until all have settled and everything due is visible.
func (c *cast) muster(ctx context.Context, size int) error {
	for len(c.members) > size {
		if err := c.drain(c.members[len(c.members)-1]); err != nil {
			return err
		}
	}
	for len(c.members) < size {
		name := c.free()
		if _, err := c.start(name, name); err != nil {
			return err
		}
	}
	if err := c.settle(ctx); err != nil {
		return err
	}
	return c.driver.visible(ctx, time.Now())
}

// settle waits until every subject says that it delivers or stands by and, where
// they tell, each partition of the topic has exactly one owner.
func (c *cast) settle(ctx context.Context) error {
	late := time.NewTimer(settleWithin)
	defer late.Stop()
	poll := time.NewTicker(settlePoll)
	defer poll.Stop()
	for {
		unsettled := c.look(ctx)
		if unsettled == "" {
			return nil
		}
		if err := c.alive(); err != nil {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			return fmt.Errorf("%w within %s: %s", errUnsettled, settleWithin, unsettled)
		}
	}
}

// look asks all subjects how they stand and says what is not settled; empty
// when all is.
func (c *cast) look(ctx context.Context) string {
	owners := map[int32]int{}
	told, ready := 0, 0
	for _, m := range c.members {
		standing, err := m.endpoints.Standing(ctx)
		if err != nil {
			return fmt.Sprintf("%s does not answer: %v", m.name, err)
		}
		m.standing = standing
		switch {
		case standing.Ready:
			ready++
		case !standing.Standby:
			return fmt.Sprintf("%s is not ready: %s", m.name, standing.Reason)
		}
		if standing.Told {
			told++
		}
		for _, partition := range standing.Partitions {
			owners[partition]++
		}
	}
	if ready == 0 {
		return "nobody delivers"
	}
	if told < len(c.members) {
		return "" // those that do not tell are taken at their word
	}
	for partition := range int32(topicPartitions) {
		if n := owners[partition]; n != 1 {
			return fmt.Sprintf("partition %d has %d owners", partition, n)
		}
	}
	return ""
}

// busiest is the subject that owns most, by what it said last; the one that
// was started first where none says more than others.
func (c *cast) busiest() *member {
	best := c.members[0]
	for _, m := range c.members[1:] {
		if len(m.standing.Partitions) > len(best.standing.Partitions) || !best.standing.Ready && m.standing.Ready {
			best = m
		}
	}
	return best
}
