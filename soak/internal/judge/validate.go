package judge

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"steadfeed/soak"
)

// Validate says everything that keeps the limits of a plan from being judged:
// an unknown check, a figure of the wrong kind or unit, a check that is not
// implemented set as a gate, a check without a role. A plan that says nothing
// about a check would pass it unseen, so each must have a role.
func Validate(plan soak.Plan) error {
	var problems []error
	if c := plan.Criteria; c != "" && !slices.Contains(soak.Criteria, c) {
		problems = append(problems, fmt.Errorf("criteria %q are not one of %s", c, strings.Join(soak.Criteria, ", ")))
	}
	seen := map[string]bool{}
	gates := 0
	for _, limit := range plan.Limits {
		if seen[limit.ID] {
			problems = append(problems, fmt.Errorf("limit %s is set twice", limit.ID))
		}
		seen[limit.ID] = true
		if limit.Role == soak.Gate {
			gates++
		}
		if err := validate(limit); err != nil {
			problems = append(problems, err)
		}
	}
	for _, c := range criteria {
		if !seen[c.id] && appliesTo(c, plan) {
			problems = append(problems, fmt.Errorf("limit %s is missing: give it a role, if only %q", c.id, soak.NotClaimed))
		}
	}
	if gates == 0 {
		problems = append(problems, errors.New("no limit is a gate, so nothing could fail"))
	}
	if len(problems) > 0 {
		return fmt.Errorf("plan %s: %w", plan.Name, errors.Join(problems...))
	}
	return nil
}

// appliesTo tells whether a plan has to say something about a criterion. An
// audit of a topic has delivery and its own validity; it runs no subject.
func appliesTo(c criterion, plan soak.Plan) bool {
	if plan.Topic != nil {
		return c.topic || strings.HasPrefix(c.id, "delivery.")
	}
	return !c.topic && !c.optional
}

func validate(limit soak.Limit) error {
	c, known := find(limit.ID)
	if !known {
		return fmt.Errorf("limit %q: there is no such check", limit.ID)
	}
	switch limit.Role {
	case soak.Gate, soak.Report:
	case soak.NotClaimed:
		if limit.Why == "" {
			return fmt.Errorf("limit %s is not claimed and does not say why", limit.ID)
		}
		return nil
	default:
		return fmt.Errorf("limit %s has the unknown role %q: %s", limit.ID, limit.Role,
			[]soak.Role{soak.Gate, soak.Report, soak.NotClaimed})
	}
	for _, figure := range []*float64{limit.Max, limit.Min} {
		if figure != nil && (math.IsNaN(*figure) || math.IsInf(*figure, 0) || *figure < 0) {
			return fmt.Errorf("limit %s: %g is no figure to judge by", limit.ID, *figure)
		}
	}
	takesMax, takesMin := c.bound == atMost, c.bound == atLeast
	switch {
	case limit.Max != nil && !takesMax:
		return fmt.Errorf("limit %s takes no maximum", limit.ID)
	case limit.Min != nil && !takesMin:
		return fmt.Errorf("limit %s takes no minimum", limit.ID)
	case limit.Role == soak.Gate && takesMax && limit.Max == nil:
		return fmt.Errorf("limit %s is a gate without a maximum", limit.ID)
	case limit.Role == soak.Gate && takesMin && limit.Min == nil:
		return fmt.Errorf("limit %s is a gate without a minimum", limit.ID)
	case limit.Unit != "" && limit.Unit != c.unit:
		return fmt.Errorf("limit %s is in %q, but the check is in %q", limit.ID, limit.Unit, c.unit)
	}
	return nil
}

// CheckIDs are the ids of all checks, in the order in which a verdict lists
// them.
func CheckIDs() []string {
	ids := make([]string, len(criteria))
	for i, c := range criteria {
		ids[i] = c.id
	}
	return slices.Clip(ids)
}
