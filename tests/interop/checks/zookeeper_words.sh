#!/usr/bin/env bash
# ZooKeeper's four-letter words, on every node: the six that operators use answer, others are refused.
set -euo pipefail

# Prints the answer of $1:$2 to the word $3.
ask() {
    timeout 10 bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf %s "$2" >&3 && cat <&3' "$1" "$2" "$3"
}

# $1: host:port; $2: the word; $3: what its answer must contain.
expect() {
    local answer
    answer=$(ask "${1%:*}" "${1##*:}" "$2") || { echo "$1 does not answer to $2"; exit 1; }
    grep -q -- "$3" <<<"$answer" || { echo "$1 answers to $2 without \"$3\": $(head -c 200 <<<"$answer")"; exit 1; }
}

nodes=$(cut -d/ -f1 <<<"$ZOOKEEPER_CONNECT" | tr ',' '\n')
leaders=0
for node in $nodes; do
    expect "$node" ruok '^imok$'
    expect "$node" stat '^Zookeeper version: '
    expect "$node" srvr '^Mode: '
    expect "$node" conf '^clientPort='
    expect "$node" isro '^rw$'
    expect "$node" mntr '^zk_server_state'
    expect "$node" wchs 'wchs is not executed because it is not in the whitelist'
    expect "$node" dump 'dump is not executed because it is not in the whitelist'
    if ask "${node%:*}" "${node##*:}" srvr | grep -qE '^Mode: (leader|standalone)$'; then leaders=$((leaders + 1)); fi
done
[ "$leaders" = 1 ] || { echo "$leaders leaders among $(wc -w <<<"$nodes") nodes"; exit 1; }
