package streamer

import "slices"

// What a right is about, as Kafka's tools name it.
const (
	aboutTopic         = "topic"
	aboutGroup         = "group"
	aboutTransactional = "transactional-id"
)

// right is what the streamer must be allowed to do, and no more: README.md has
// the same table for those who grant it, and a test runs the streamer with
// exactly these.
type right struct {
	about      string
	name       string
	prefixed   bool     // name is the beginning of the names that are meant
	operations []string // as Kafka names them; DESCRIBE comes with READ and WRITE
	create     bool     // and CREATE where the topic does not exist
}

// rights are those that c needs in Kafka.
func (c *Config) rights() []right {
	var list []right
	for _, topic := range c.topics() {
		list = append(list,
			right{aboutTopic, topic, false, []string{"READ", "WRITE", "DESCRIBE"}, true},
			right{aboutTopic, snapshotsOf(topic), false, []string{"READ", "WRITE", "DESCRIBE"}, true})
	}
	return append(list,
		right{aboutTopic, c.besideTopic(quarantineSuffix), false, []string{"WRITE", "DESCRIBE"}, true},
		right{aboutTransactional, c.Group + "-", true, []string{"WRITE", "DESCRIBE"}, false},
		right{aboutGroup, c.Group, false, []string{"READ", "DESCRIBE"}, false})
}

// topics are those that trades go to.
func (c *Config) topics() (list []string) {
	for _, symbol := range c.upperSymbols() {
		if topic := c.topicOf(symbol); !slices.Contains(list, topic) {
			list = append(list, topic)
		}
		if !c.templated() {
			break
		}
	}
	return list
}
