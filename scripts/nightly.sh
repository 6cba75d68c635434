#!/usr/bin/env bash
# nightly.sh PLAN=DIRECTORY...: adds a night to the account of the nightly runs,
# on the branch soak-nights with its page, and opens an issue, or comments on the
# one that is open, when somebody has to look. A directory has the run
# directories of one plan; the newest counts. Runs in the checkout of a CI job;
# git and gh have what they need to write.
set -euo pipefail
branch=${NIGHTS_BRANCH:-soak-nights} label=soak-nightly
account=$(mktemp -d)
issue=$(mktemp -u)
trap 'git worktree remove --force "$account" 2>/dev/null || true; rm -rf "$account" "$issue"' EXIT

if git fetch --quiet --depth 1 origin "$branch" 2>/dev/null; then
	git worktree add --quiet --detach "$account" FETCH_HEAD
else # the first night
	git worktree add --quiet --detach "$account"
	git -C "$account" checkout --quiet --orphan "$branch"
	git -C "$account" rm --quiet -r --force .
fi
verdicts=()
for run in "$@"; do
	newest=$(find "${run#*=}" -mindepth 2 -maxdepth 2 -name verdict.json -not -path '*/latest/*' 2>/dev/null | sort | tail -n 1)
	verdicts+=("${run%%=*}=${newest:-none}")
done
go run ./scripts/nights -dir "$account" -issue "$issue" -commit "$(git rev-parse HEAD)" -url "${JOB_URL:-}" "${verdicts[@]}"

git -C "$account" add nights.ndjson index.html
git -C "$account" -c user.name=soak-nightly -c user.email=soak-nightly@localhost commit --quiet -m "soak: the night of $(date -u +%F)"
git -C "$account" push --quiet origin "HEAD:refs/heads/$branch"

[ -f "$issue" ] || { echo "nobody has to look"; exit 0; }
title=$(head -n 1 "$issue")
tail -n +3 "$issue" >"$issue.body"
open=$(gh issue list --state open --label "$label" --limit 1 --json number --jq '.[].number')
if [ -n "$open" ]; then
	gh issue comment "$open" --body-file "$issue.body"
else
	gh label create "$label" --force --description "A nightly soak run needs a look" >/dev/null
	gh issue create --title "$title" --label "$label" --body-file "$issue.body"
fi
rm -f "$issue.body"
