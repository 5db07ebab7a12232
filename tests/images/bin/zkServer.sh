#!/bin/bash
# zkServer.sh start-foreground: heap and flags from the variables that ZooKeeper's own script reads.
set -e
[[ $1 = start-foreground ]] || { echo "stand-in: only start-foreground" >&2; exit 2; }
home=$(dirname "$(dirname "$(readlink -f "$0")")")
# shellcheck disable=SC2086
exec java "-Xmx${ZK_SERVER_HEAP:-1000}m" -Dzookeeper.log.dir="$ZOO_LOG_DIR" -XX:+HeapDumpOnOutOfMemoryError \
    -cp "$ZOO_CONF_DIR:$home/lib/*" $SERVER_JVMFLAGS $JVMFLAGS \
    org.apache.zookeeper.server.quorum.QuorumPeerMain "$ZOO_CONF_DIR/zoo.cfg"
