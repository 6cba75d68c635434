#!/usr/bin/env bash
# images.sh: builds the images of the commands, steadfeed/NAME:dev and
# :VERSION, from static binaries made on this machine. No base image and no
# network is needed; the legacy builder and BuildKit both do. Beside each binary
# in bin/image lies its list of parts (SPDX), from the build information that
# Go put into it.
set -euo pipefail
cd "$(dirname "$0")/.."
most=$((25 * 1000 * 1000)) # bytes of an image

command -v docker >/dev/null || { echo "images: there is no docker command; install Docker Engine" >&2; exit 1; }
docker info >/dev/null 2>&1 || { echo "images: the docker command reaches no Docker Engine; start it" >&2; exit 1; }

revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
out=bin/image
rm -rf "$out" && mkdir -p "$out/certs"
CGO_ENABLED=0 GOOS=linux go build -buildvcs=auto -trimpath -ldflags=-s -o "$out/" \
	./streamer/cmd/streamer ./fakebinance/cmd/fakebinance ./soak/cmd/registry ./soak/cmd/canary
version=$(go version -m "$out/streamer" | awk '$1 == "mod" { print $3 }')
[ "$version" = "(devel)" ] && version=dev-${revision:0:12} # a checkout that Go does not know as one
for name in streamer fakebinance registry canary; do
	go run ./scripts/sbom "$out/$name" >"$out/$name.spdx.json"
	docker build --quiet --tag "steadfeed/$name:dev" --tag "steadfeed/$name:${version//+/-}" \
		--build-arg VERSION="$version" --build-arg REVISION="$revision" \
		--file "scripts/images/$name.Dockerfile" "$out" >/dev/null
	size=$(docker image inspect --format '{{.Size}}' "steadfeed/$name:dev")
	echo "steadfeed/$name:dev $version $((size / 1000 / 1000)) MB"
	[ "$size" -lt "$most" ] || { echo "images: steadfeed/$name:dev has $size bytes, more than $most" >&2; exit 1; }
done
