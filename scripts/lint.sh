#!/usr/bin/env bash
# gofmt, go vet and staticcheck over the whole module, actionlint over the
# workflows, promtool over the alert rules; prints what is wrong.
set -euo pipefail
cd "$(dirname "$0")/.."
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
	printf 'not formatted by gofmt:\n%s\n' "$unformatted" >&2
	exit 1
fi
go vet ./...
go tool staticcheck ./...
go tool -modfile=scripts/actionlint.mod actionlint .github/workflows/*.yml
scripts/alerts.sh
