#!/usr/bin/env bash
# with-docker.sh COMMAND...: runs the command where Docker answers and has, or
# can pull, the image of Kafka; elsewhere says why it is skipped, and that is
# no failure.
set -euo pipefail
image=${KAFKA_IMAGE:-apache/kafka:4.4.0}
skip() {
	echo "skipped: $1; not run: ${command[*]}"
	exit 0
}
command=("$@")
command -v docker >/dev/null || skip "there is no docker command"
docker info >/dev/null 2>&1 || skip "the docker command reaches no Docker Engine"
docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >/dev/null 2>&1 ||
	skip "the image $image is not here and cannot be pulled"
exec "${command[@]}"
