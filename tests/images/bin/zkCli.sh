#!/bin/bash
home=$(dirname "$(dirname "$(readlink -f "$0")")")
# shellcheck disable=SC2086
exec java "-Xmx${ZK_CLIENT_HEAP:-256}m" -cp "$ZOO_CONF_DIR:$home/lib/*" $CLIENT_JVMFLAGS $JVMFLAGS \
    org.apache.zookeeper.ZooKeeperMain "$@"
