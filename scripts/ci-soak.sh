#!/usr/bin/env bash
# ci-soak.sh COMMAND...: runs a soak command in a CI job and shows the summary of
# its run on the page of the job, whatever its outcome. Its exit status is the
# command's: 1 the subject failed, 3 inconclusive, 4 the harness broke. A run
# that is inconclusive passes the job when SOAK_INCONCLUSIVE=pass: one such night
# is weather, and scripts/nights counts them.
set -uo pipefail
page=${GITHUB_STEP_SUMMARY:-/dev/stdout}
before=$(readlink runs/latest 2>/dev/null)
"$@"
status=$?
if [ "$(readlink runs/latest 2>/dev/null)" != "$before" ] && [ -f runs/latest/summary.md ]; then
	cat runs/latest/summary.md >>"$page"
else
	echo "\`$*\` ended with $status and left no run." >>"$page"
fi
if [ $status = 3 ] && [ "${SOAK_INCONCLUSIVE:-}" = pass ]; then
	echo "::warning::the run was inconclusive: $*"
	exit 0
fi
exit $status
