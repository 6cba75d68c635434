#!/usr/bin/env bash
# prometheus-image.sh: builds steadfeed/prometheus:dev from the prometheus
# program of this machine and the libraries that it needs, for machines that
# can pull no image: PROMETHEUS_IMAGE=steadfeed/prometheus:dev make soak-1h.
# Elsewhere nothing is to be done: the runs pull the official image.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(command -v prometheus) || {
	echo "prometheus-image: there is no prometheus program here (Debian: apt-get install prometheus)" >&2
	exit 1
}
command -v docker >/dev/null || { echo "prometheus-image: there is no docker command; install Docker Engine" >&2; exit 1; }
out=bin/prometheus-image
rm -rf "$out" && mkdir -p "$out/root/bin" "$out/prometheus" "$out/root/tmp"
cp "$program" "$out/root/bin/prometheus"
{ ldd "$program" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r library; do # a static one has none
	mkdir -p "$out/root$(dirname "$library")"
	cp -L "$library" "$out/root$library"
done
cat >"$out/Dockerfile" <<'DOCKERFILE'
FROM scratch
COPY root /
COPY --chown=65532:65532 prometheus /prometheus
USER 65532:65532
EXPOSE 9090
WORKDIR /prometheus
ENTRYPOINT ["/bin/prometheus"]
DOCKERFILE
docker build --quiet --tag steadfeed/prometheus:dev "$out" >/dev/null
echo "steadfeed/prometheus:dev $("$program" --version 2>&1 | awk 'NR == 1 { print $3 }')"
