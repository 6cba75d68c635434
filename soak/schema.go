package soak

import _ "embed"

// VerdictJSONSchema is the JSON Schema of verdict.json, for those who read it
// with other tools. It changes by addition only while [VerdictSchema] stays
// the same: readers must accept fields that they do not know.
//
//go:embed verdict.schema.json
var VerdictJSONSchema string
