package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"steadfeed/streamer"
)

// configure is the streamer's configuration by the names of its environment,
// those of them that a plan sets.
func configure(settings map[string]string) (streamer.Config, error) {
	c := streamer.DefaultConfig()
	texts := map[string]*string{
		"STREAMER_REST_URL": &c.RESTURL, "STREAMER_TLS_CA_FILE": &c.TLSCAFile, "STREAMER_TOPIC": &c.Topic,
		"STREAMER_INSTANCE_ID": &c.InstanceID, "STREAMER_GROUP": &c.Group,
	}
	lists := map[string]*[]string{
		"STREAMER_SYMBOLS": &c.Symbols, "STREAMER_WS_URL": &c.WebSocketURL,
		"STREAMER_KAFKA_BROKERS": &c.KafkaBrokers, "STREAMER_SCHEMA_REGISTRY_URL": &c.SchemaRegistryURL,
	}
	numbers := map[string]*int{"STREAMER_PARTITIONS": &c.Partitions}
	durations := map[string]*time.Duration{
		"STREAMER_ROTATION_INTERVAL": &c.RotationInterval, "STREAMER_PING_INTERVAL": &c.PingInterval,
		"STREAMER_PONG_TIMEOUT": &c.PongTimeout, "STREAMER_STALE_TIMEOUT": &c.StaleTimeout,
		"STREAMER_COMMIT_INTERVAL": &c.CommitInterval, "STREAMER_HEARTBEAT_INTERVAL": &c.HeartbeatInterval,
		"STREAMER_SESSION_TIMEOUT": &c.SessionTimeout, "STREAMER_DRAIN_TIMEOUT": &c.DrainTimeout,
	}
	c.InstanceID = "streamer"
	delivery := string(c.Delivery)
	texts["STREAMER_DELIVERY"] = &delivery
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		value := settings[name]
		if text := texts[name]; text != nil {
			*text = value
		} else if list := lists[name]; list != nil {
			*list = strings.Split(value, ",")
		} else if number := numbers[name]; number != nil {
			var err error
			*number, err = strconv.Atoi(value)
			problems = append(problems, err)
		} else if d := durations[name]; d != nil {
			var err error
			*d, err = time.ParseDuration(value)
			problems = append(problems, err)
		} else {
			problems = append(problems, fmt.Errorf("setting %s is not known here", name))
		}
	}
	seed := fnv.New64a()
	seed.Write([]byte(settings["STREAMER_WS_URL"])) // the same for each life: what it draws are pauses
	c.Delivery = streamer.Delivery(delivery)
	c.Seed, c.Version = seed.Sum64(), "the core of this build"
	problems = append(problems, c.Validate())
	return c, errors.Join(problems...)
}
