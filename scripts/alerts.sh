#!/usr/bin/env bash
# Tries the alert rules with promtool: each alert fires in one case and does not
# in another. Where there is no promtool it says so, and that is no failure.
set -euo pipefail
cd "$(dirname "$0")/prometheus"
if ! command -v promtool >/dev/null; then
	echo "skipped: there is no promtool, so the alert rules are not tried (it comes with Prometheus; Debian: apt-get install prometheus)"
	exit 0
fi
promtool check config --lint-fatal prometheus.yml
promtool test rules steadfeed.rules.test.yml
