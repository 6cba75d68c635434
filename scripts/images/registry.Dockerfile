# registry: a schema registry in memory, for tests. The static binary and nothing else; scripts/images.sh puts it here.
FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="steadfeed registry" \
      org.opencontainers.image.description="a schema registry in memory, for tests" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY registry /registry
USER 65532:65532
EXPOSE 8081
HEALTHCHECK --interval=5s --timeout=5s CMD ["/registry", "-health"]
ENTRYPOINT ["/registry"]
