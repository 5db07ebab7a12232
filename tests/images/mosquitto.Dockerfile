# A stand-in with the official image's layout, for Mosquitto of whichever Debian the base is.
ARG BASE

FROM ${BASE} AS mosquitto
# Debian's package has made a user of this name with another id.
RUN userdel mosquitto && groupadd --system --gid 1883 mosquitto && \
    useradd --system --uid 1883 --gid 1883 --no-create-home --shell /sbin/nologin mosquitto && \
    mkdir -p /mosquitto/config /mosquitto/data /mosquitto/log && chown -R mosquitto:mosquitto /mosquitto
# Where the official images have it, from 2.1 on.
RUN plugin=$(find /usr/lib -name mosquitto_persist_sqlite.so) && \
    if [ -n "$plugin" ]; then ln -s "$plugin" /usr/lib/mosquitto_persist_sqlite.so; fi
VOLUME ["/mosquitto/data", "/mosquitto/log"]
CMD ["/usr/sbin/mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]
