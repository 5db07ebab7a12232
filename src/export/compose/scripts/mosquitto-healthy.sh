#!/bin/sh
# Whether Mosquitto serves. That it lets the probe in and nobody else is proven once after each start, since each
# connection is a line in the log; from then on it is enough that it listens.
set -eu
# In memory, and so gone when the container is started again.
proven=/dev/shm/proven
knock() { mosquitto_pub -h 127.0.0.1 -q 1 -t sosstack/probe/health -m ok 2>/dev/null; }

if [ ! -e "$proven" ]; then
    XDG_CONFIG_HOME=/mosquitto/credentials knock
    if XDG_CONFIG_HOME=/nowhere knock; then
        echo "Mosquitto lets strangers in"
        exit 1
    fi
    : >"$proven"
fi
# A socket on port 1883 (075B) that listens (0A).
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ':075B 0*:0000 0A '
