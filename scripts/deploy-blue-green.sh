#!/usr/bin/env bash
# deploy-blue-green.sh BLUE [IMAGE]: replaces the streamer in the container BLUE
# by one from IMAGE, without a gap, and takes it back when the new one does not
# do. Without IMAGE it builds steadfeed/streamer:dev from this checkout.
#
# Green gets everything that blue has (environment, network, volumes, limits,
# arguments) and starts beside it in the same group, where it stands by. When it
# does, blue is told to drain (SIGTERM) and green goes on. Then green is looked
# at for a while: it runs, is healthy and ready, makes trades visible, keeps its
# memory, logs no error, and the topic has no gap. If all is well it stays, and
# blue is kept, stopped. If not, blue is started again, green is ended, and its
# last words are printed.
#
# Exit status: 0 green delivers; 1 it does not, and blue delivers again or still;
# 4 the deployment could not be done, and somebody has to look; 64 wrong usage.
# The last line on standard output is: deployed CONTAINER ADDRESS, or kept
# CONTAINER ADDRESS.
#
# Settings, by environment:
#   DEPLOY_AUDIT     command that ends with 0 when the topic has no gap, such as
#                    "bin/soak audit -brokers localhost:9092 -schema-registry-url
#                    http://localhost:8081 -topic TOPIC -since 10m"; empty: not asked
#   DEPLOY_WATCH     seconds for which green is looked at (20)
#   DEPLOY_RATE      trades a second that it must make visible (10, more than)
#   DEPLOY_MEMORY    MB that it must stay below (400)
#   DEPLOY_STANDBY   seconds in which it must stand by (60)
#   DEPLOY_DRAIN     seconds in which blue must drain (40)
set -euo pipefail

blue=${1:-} image=${2:-}
[ -n "$blue" ] && [ $# -le 2 ] || { echo "usage: $0 BLUE [IMAGE]" >&2; exit 64; }
watch=${DEPLOY_WATCH:-20} rate=${DEPLOY_RATE:-10} memory=${DEPLOY_MEMORY:-400}
standby=${DEPLOY_STANDBY:-60} drain=${DEPLOY_DRAIN:-40}

say() { echo "$(date -u +%T) $*" >&2; }
broken() { say "deploy: $*"; exit 4; }
of() { docker inspect --format "$2" "$1"; }
runs() { [ "$(of "$1" '{{.State.Running}}' 2>/dev/null)" = true ]; }

command -v docker >/dev/null || broken "there is no docker command; install Docker Engine"
command -v curl >/dev/null || broken "there is no curl command; install it"
runs "$blue" || broken "there is no running container $blue"

if [ -z "$image" ]; then
	"$(dirname "$0")/images.sh" >&2
	image=steadfeed/streamer:dev
fi
docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >/dev/null || broken "there is no image $image"

case $blue in
*-blue) green=${blue%-blue}-green ;;
*-green) green=${blue%-green}-blue ;;
*) green=$blue-green ;;
esac
! runs "$green" || broken "$green runs already: end it, or deploy from it"

# What blue has, for green. The environment can hold secrets: it goes through a
# file that only this user can read.
settings=$(umask 077 && mktemp)
trap 'rm -f "$settings"' EXIT
of "$blue" '{{range .Config.Env}}{{println .}}{{end}}' | grep -v -e '^$' -e '^STREAMER_INSTANCE_ID=' >"$settings"
echo "STREAMER_INSTANCE_ID=$green" >>"$settings"
mapfile -t arguments < <(of "$blue" '{{range .Config.Cmd}}{{println .}}{{end}}' | sed '/^$/d')
port=$(sed -n 's/^STREAMER_HTTP=.*:\([0-9]*\)$/\1/p' "$settings")
port=${port:-9091}
network=$(of "$blue" '{{.HostConfig.NetworkMode}}')
options=(--detach --name "$green" --hostname "$green" --env-file "$settings" --network "$network"
	--volumes-from "$blue" --publish "127.0.0.1::$port"
	--memory "$(of "$blue" '{{.HostConfig.Memory}}')" --cpus "$(of "$blue" '{{.HostConfig.NanoCpus}}' | awk '{ print $1 / 1e9 }')"
	--restart "$(of "$blue" '{{.HostConfig.RestartPolicy.Name}}')")
[ "$(of "$blue" '{{.HostConfig.ReadonlyRootfs}}')" = false ] || options+=(--read-only)
# shellcheck disable=SC2016 # those are the template's own variables
while read -r label; do options+=(--label "$label"); done < <(
	of "$blue" '{{range $k, $v := .Config.Labels}}{{printf "%s=%s\n" $k $v}}{{end}}' | grep -v -e '^$' -e '^org\.opencontainers' -e '^com\.docker\.compose')

address() { docker port "$1" "$port/tcp" 2>/dev/null | head -n 1; }
ask() { curl --silent --max-time 3 "http://$(address "$1")/$2"; }
# stands CONTAINER: it delivers, or waits for its turn.
# shellcheck disable=SC2329 # within calls it
stands() { case $(ask "$1" readyz) in *standby*) return 0 ;; esac; delivers "$1"; }
delivers() { [ "$(curl --silent --max-time 3 --output /dev/null --write-out '%{http_code}' "http://$(address "$1")/readyz")" = 200 ]; }
# metric CONTAINER NAME: the sum over its labels.
metric() {
	ask "$1" metrics | awk -v name="$2" '{ n = $1; sub(/[{].*/, "", n) } n == name { sum += $NF; seen = 1 } END { if (!seen) exit 1; printf "%.0f\n", sum }'
}
# within SECONDS COMMAND...: it succeeds by then, asked four times a second.
within() {
	local until=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $until ] || return 1
		sleep 0.25
	done
}

docker rm --force "$green" >/dev/null 2>&1 || true # stopped, from an earlier deployment
say "starting $green from $image beside $blue"
docker run "${options[@]}" "$image" ${arguments[@]+"${arguments[@]}"} >/dev/null || broken "$green could not be started; $blue was not touched"

last_words() {
	say "the last lines of $green:"
	docker logs --tail 5 "$green" >&2 2>&1 || true
}
if ! within "$standby" stands "$green"; then
	say "$green does not stand by after $standby s: $(ask "$green" readyz || true)"
	last_words
	docker rm --force "$green" >/dev/null
	say "$blue was not touched"
	echo "kept $blue $(address "$blue")"
	exit 1
fi

say "handing over: $blue drains"
docker stop --time "$drain" "$blue" >/dev/null || broken "$blue could not be stopped; both run"
ended=$(of "$blue" '{{.State.ExitCode}}')
[ "$ended" = 0 ] || say "$blue ended with $ended, not 0: it did not drain well; $green resumes from Kafka all the same"

# check returns 1 and says why when green does not do.
check() {
	local before after used errors
	within "$standby" delivers "$green" || { say "not ready: $(ask "$green" readyz || true)"; return 1; }
	before=$(metric "$green" kafka_messages_produced_total) || { say "it does not say what it produced"; return 1; }
	sleep "$watch"
	[ "$(of "$green" '{{.State.Running}} {{.RestartCount}}')" = "true 0" ] || { say "it does not run, or was restarted"; return 1; }
	[ "$(of "$green" '{{if .State.Health}}{{.State.Health.Status}}{{end}}')" != unhealthy ] || { say "unhealthy"; return 1; }
	curl --silent --fail --max-time 3 --output /dev/null "http://$(address "$green")/healthz" || { say "not healthy: $(ask "$green" healthz || true)"; return 1; }
	after=$(metric "$green" kafka_messages_produced_total) || { say "it does not say what it produced"; return 1; }
	say "$(((after - before) / watch)) trades a second visible, wanted more than $rate"
	[ $((after - before)) -gt $((rate * watch)) ] || return 1
	used=$(metric "$green" process_memory_rss_bytes) || { say "it does not say how much memory it has"; return 1; }
	say "$((used / 1000000)) MB resident, wanted less than $memory"
	[ "$used" -lt $((memory * 1000000)) ] || return 1
	errors=$(docker logs "$green" 2>&1 | grep -c -e '"level":"ERROR"' -e 'level=ERROR') || true
	[ "$errors" = 0 ] || { say "$errors errors in its log: $(docker logs "$green" 2>&1 | grep -m 1 -e '"level":"ERROR"' -e 'level=ERROR')"; return 1; }
	delivers "$green" || { say "no longer ready: $(ask "$green" readyz || true)"; return 1; }
	[ -z "${DEPLOY_AUDIT:-}" ] || $DEPLOY_AUDIT >&2 || { say "the audit of the topic: exit status $?"; return 1; }
}

if check; then
	say "$green stays; $blue is kept, stopped: docker start $blue"
	echo "deployed $green $(address "$green")"
	exit 0
fi

say "rolling back to $blue"
last_words
docker start "$blue" >/dev/null || broken "$blue does not start again; $green still runs"
within 30 stands "$blue" || say "$blue does not stand by yet: $(ask "$blue" readyz || true)"
docker stop --time "$drain" "$green" >/dev/null || broken "$green could not be stopped; both run"
within 30 delivers "$blue" || broken "$blue does not deliver: $(ask "$blue" readyz || true)"
say "$blue delivers again; $green is kept, stopped, for its log: docker logs $green"
echo "kept $blue $(address "$blue")"
exit 1
