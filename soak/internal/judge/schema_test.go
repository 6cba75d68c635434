package judge

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"steadfeed/soak"
)

// Real verdicts fit the published schema, and the schema knows every field
// that they have.
func TestVerdictsFitTheirSchema(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal([]byte(soak.VerdictJSONSchema), &schema); err != nil {
		t.Fatal(err)
	}
	for name := range expected {
		_, v := judged(t, name)
		fitting(t, v)
	}
	// The check below can fail.
	for _, broken := range []string{
		`{}`,
		`{"schema": "steadfeed/verdict/v2"}`,
		`{"outcome": "maybe"}`,
		`{"seed": -1}`,
		`{"began": "yesterday"}`,
		`{"surprise": 1}`,
		`{"injections": [{"for": "a while"}]}`,
	} {
		var document any
		if err := json.Unmarshal([]byte(broken), &document); err != nil {
			t.Fatal(err)
		}
		if problems := fits(schema, schema, document, "verdict"); len(problems) <= len(schema["required"].([]any))-1 {
			t.Errorf("%s fits: %v", broken, problems)
		}
	}
}

// fitting is a test that a verdict fits the published schema.
func fitting(t *testing.T, v soak.Verdict) {
	t.Helper()
	var schema map[string]any
	var document any
	for text, into := range map[string]any{soak.VerdictJSONSchema: &schema, string(indented(t, v)): &document} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	if problems := fits(schema, schema, document, "verdict"); len(problems) > 0 {
		t.Errorf("%s:\n%s", v.Run, strings.Join(problems, "\n"))
	}
}

// fits checks a document against the few words of JSON Schema that ours uses.
// A word that it does not know is a problem, so that the schema cannot come to
// say more than is checked. Unlike a validator it also wants every field of
// the document to be in the schema.
func fits(root, schema map[string]any, v any, at string) (problems []string) {
	complain := func(format string, a ...any) {
		problems = append(problems, at+": "+fmt.Sprintf(format, a...))
	}
	if ref, ok := schema["$ref"].(string); ok {
		defs := root["$defs"].(map[string]any)
		return fits(root, defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any), v, at)
	}
	object, isObject := v.(map[string]any)
	list, isList := v.([]any)
	text, _ := v.(string)
	number, _ := v.(float64)
	for word, want := range schema {
		switch word {
		case "$schema", "$id", "title", "description", "$defs", "items", "additionalProperties":
		case "type":
			if types, ok := want.([]any); ok && !slices.ContainsFunc(types, func(w any) bool { return is(v, w.(string)) }) {
				complain("%v is none of %v", v, types)
			} else if one, ok := want.(string); ok && !is(v, one) {
				complain("%v is no %s", v, one)
			}
		case "const":
			if v != want {
				complain("%v is not %v", v, want)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				complain("%v is none of %v", v, want)
			}
		case "minimum":
			if number < want.(float64) {
				complain("%g is below %g", number, want)
			}
		case "format":
			if _, err := time.Parse(time.RFC3339Nano, text); want != "date-time" || err != nil {
				complain("%q is no %s", text, want)
			}
		case "pattern":
			if !regexp.MustCompile(want.(string)).MatchString(text) {
				complain("%q is not like %s", text, want)
			}
		case "required":
			for _, name := range want.([]any) {
				if _, has := object[name.(string)]; !has {
					complain("%s is missing", name)
				}
			}
		case "properties":
			for name, value := range object {
				property, known := want.(map[string]any)[name].(map[string]any)
				if !known {
					complain("%s is not in the schema", name)
					continue
				}
				problems = append(problems, fits(root, property, value, at+"."+name)...)
			}
		default:
			complain("the test does not know the word %s", word)
		}
	}
	if items, ok := schema["items"].(map[string]any); ok && isList {
		for i, value := range list {
			problems = append(problems, fits(root, items, value, fmt.Sprintf("%s[%d]", at, i))...)
		}
	}
	if more, ok := schema["additionalProperties"].(map[string]any); ok && isObject {
		for name, value := range object {
			problems = append(problems, fits(root, more, value, at+"."+name)...)
		}
	}
	return problems
}

func is(v any, kind string) bool {
	switch v := v.(type) {
	case nil:
		return kind == "null"
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case float64:
		return kind == "number" || kind == "integer" && v == float64(int64(v))
	case []any:
		return kind == "array"
	case map[string]any:
		return kind == "object"
	}
	return false
}
