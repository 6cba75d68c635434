# streamer: carries Binance trades into Kafka. The static binary and nothing else; scripts/images.sh puts it here.
FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="steadfeed streamer" \
      org.opencontainers.image.description="carries Binance trades into Kafka" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY streamer /streamer
ENV STREAMER_LOG_FORMAT=json
USER 65532:65532
EXPOSE 9091
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/streamer", "-health"]
ENTRYPOINT ["/streamer"]
