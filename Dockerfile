# sosstack as an image: `make image`, which says version and revision. How to run it: docs/bridge.md, "In a container".
#
# Either base can be another one: make image ARGS='--build-arg BUILDER=… --build-arg BASE=…'
#   BUILDER   cargo, a C and a C++ compiler, make, pkg-config and OpenSSL 3 with its headers
#   BASE      glibc, no older than the builder's; libgcc, OpenSSL 3, and the certificates of authorities. No shell is needed
ARG BUILDER=rust:1.89-trixie
ARG BASE=gcr.io/distroless/cc-debian13:nonroot

FROM ${BUILDER} AS builder
WORKDIR /build
COPY . .
RUN cargo build --release --locked && \
    mkdir -p /image/bin /image/home/sosstack && \
    cp target/release/sosstack /image/bin/

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sosstack" \
    org.opencontainers.image.description="The messaging layer of a personal-safety platform, and the bridge from MQTT to Kafka" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=builder /image/bin/ /usr/local/bin/
# All that is ever written lies in /var/lib/sosstack. It is no VOLUME: an anonymous one goes with its container, and with it
# the messages that wait in the journal. Without a volume and with a read-only root, the bridge does not start.
COPY --from=builder --chown=65532:65532 /image/home/ /var/lib/
ENV HOME=/var/lib/sosstack XDG_DATA_HOME=/var/lib
WORKDIR /var/lib/sosstack
# In figures, so that Kubernetes sees that it is not root.
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["sosstack"]
CMD ["--help"]
