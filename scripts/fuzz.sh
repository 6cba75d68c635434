#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time each.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-30s}
grep -rHoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | while IFS=: read -r file match; do
	target=${match#func }
	printf '== %s %s\n' "$(dirname "$file")" "$target"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$(dirname "$file")"
done
