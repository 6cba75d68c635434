package soak

import "time"

// MaxAlerts bounds the alerts that a run remembers one by one; more than a few
// are a broken rule or a broken run.
const MaxAlerts = 200

// Alerts is what a Prometheus beside the run said of its rules.
type Alerts struct {
	Rules   []string `json:"rules"`  // names of the alerts that it watched for
	Looks   int64    `json:"looks"`  // how often it was asked
	Missed  int64    `json:"missed"` // how often it did not answer
	Fired   []Alert  `json:"fired"`  // the first MaxAlerts
	Omitted int64    `json:"omitted,omitempty"`
}

// Alert is one alert that fired.
type Alert struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"` // beside the name
	Began  time.Time         `json:"began"`            // when it was first seen to fire
	Ended  time.Time         `json:"ended,omitzero"`   // zero: it still fired at the last look
}
