# fakebinance: a Binance spot exchange for tests. The static binary and nothing else; scripts/images.sh puts it here.
FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="steadfeed fakebinance" \
      org.opencontainers.image.description="a Binance spot exchange for tests" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY fakebinance /fakebinance
# Where -ca-out may write; a volume mounted here takes its owner over.
COPY --chown=65532:65532 certs /certs
USER 65532:65532
EXPOSE 9443 9444
HEALTHCHECK --interval=10s --timeout=5s CMD ["/fakebinance", "health"]
ENTRYPOINT ["/fakebinance"]
