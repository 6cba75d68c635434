package audit

import "steadfeed/soak"

// PlanName is what the plan of an inspection is called.
const PlanName = "audit"

// NewPlan is the plan of an inspection of a topic: what is asked of it and by
// which limits it is judged.
func NewPlan(topic soak.Topic, seed uint64) soak.Plan {
	none := 0.0
	promise := func(id string) soak.Limit {
		return soak.Limit{ID: id, Role: soak.Gate, Max: &none, Unit: "trades"}
	}
	asked := func(limit soak.Limit) soak.Limit {
		if topic.REST != "" {
			return limit
		}
		return soak.Limit{ID: limit.ID, Role: soak.NotClaimed, Why: "the exchange was not to be asked; an audit with -rest-url settles it"}
	}
	faithful := asked(promise("delivery.faithful"))
	if topic.Sample == 0 && topic.REST != "" {
		faithful = soak.Limit{ID: faithful.ID, Role: soak.NotClaimed, Why: "no trade was to be compared; an audit with -sample settles it"}
	}
	return soak.Plan{
		Name:        PlanName,
		About:       "audits a topic that exists",
		Seed:        seed,
		Topic:       &topic,
		SampleEvery: soak.Duration(inspectSample),
		Limits: []soak.Limit{
			promise("delivery.complete"), promise("delivery.unique"), promise("delivery.ordered"), faithful,
			{ID: "validity.topic", Role: soak.Gate},
			asked(soak.Limit{ID: "validity.exchange", Role: soak.Gate}),
		},
	}
}
