# canary: a streamer that is wrong on purpose, to test the harness. The static binary and nothing else; scripts/images.sh puts it here.
FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="steadfeed canary" \
      org.opencontainers.image.description="a streamer that is wrong on purpose, to test the harness" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY canary /canary
USER 65532:65532
EXPOSE 9091
ENTRYPOINT ["/canary"]
