#!/usr/bin/env bash
# with-docker.sh [-need] COMMAND...: runs the command where Docker answers and
# has, or can pull, the image of Kafka. Elsewhere it says in one line why not
# and how to get it: with -need that is a failure, as for a soak run that
# somebody waits for; without, the command is skipped and that is none.
set -euo pipefail
image=${KAFKA_IMAGE:-apache/kafka:4.4.0}
status=0
[ "$1" = -need ] && { status=4; shift; }
command=("$@")
skip() {
	echo "$([ $status = 0 ] && echo skipped || echo "not possible"): $1; not run: ${command[*]}" >&2
	exit $status
}
command -v docker >/dev/null || skip "there is no docker command (install Docker Engine: https://docs.docker.com/engine/install/)"
docker info >/dev/null 2>&1 || skip "the docker command reaches no Docker Engine (start it, or join the group docker)"
docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >/dev/null 2>&1 ||
	skip "the image $image is not here and cannot be pulled (docker pull it, or set KAFKA_IMAGE to one that is)"
exec "${command[@]}"
