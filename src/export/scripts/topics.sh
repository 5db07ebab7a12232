#!/usr/bin/env bash
# Makes topics that are missing, adds missing partitions, sets settings that differ; deletes nothing. Ends when every
# partition has all its replicas in sync, or with exit status 1.
#
#   topics.sh SECONDS REPLICAS BROKER:PORT…
#
# Gives up after so many seconds. Wanted topics are lines of /etc/sosstack/topics: name partitions [setting=value…]
set -euo pipefail
deadline=$((SECONDS + $1))
replicas=$2
shift 2
brokers=$(IFS=, && echo "$*")
wanted=/etc/sosstack/topics
archive=/tmp/classes.jsa

fail() {
    echo "topics: $1" >&2
    exit 1
}

# Each call is a JVM of its own; with an archive of its classes it takes a third less.
kafka() {
    local share=-XX:ArchiveClassesAtExit=$archive
    [ ! -e "$archive" ] || share=-XX:SharedArchiveFile=$archive
    java -Xmx128M -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+IgnoreUnrecognizedVMOptions "$share" -Xshare:auto \
        -Xlog:disable -Dlog4j.configuration=file:/etc/sosstack/log4j.properties \
        -cp '/opt/kafka/libs/*' "$@"
}
topics() { kafka org.apache.kafka.tools.TopicCommand --bootstrap-server "$brokers" "$@" </dev/null; }
configs() { kafka kafka.admin.ConfigCommand --bootstrap-server "$brokers" "$@" </dev/null; }

# A broker listens when it is registered.
listens() { timeout 5 bash -c ': <"/dev/tcp/$0/$1"' "${1%:*}" "${1#*:}" 2>/dev/null; }
for broker in "$@"; do
    listens "$broker" && continue
    echo "topics: waiting for $broker" >&2
    until listens "$broker"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "$broker does not answer; the log of ${broker%%[.:]*} says why"
        sleep 0.5
    done
done

declare -A partitions settings
# What the cluster has, and in $lagging the partitions that do not have all their replicas.
look() {
    local topic second third fourth fifth described
    described=$(topics --describe) || return
    partitions=() settings=() lagging=
    while IFS=$'\t' read -r topic second third fourth fifth _; do
        topic=${topic#Topic: }
        case $second in
        TopicId:*)
            partitions[$topic]=${third#PartitionCount: }
            settings[$topic]=,${fifth#Configs: },
            ;;
        Partition:*)
            fourth=${fourth#Replicas: } fifth=${fifth#Isr: }
            [ "${fourth//[^,]/}" = "${fifth//[^,]/}" ] || lagging="$lagging $topic/${second#Partition: }"
            ;;
        esac
    done <<<"$described"
}

until look; do
    [ "$SECONDS" -lt "$deadline" ] || fail "the brokers do not say which topics there are"
    sleep 0.5
done
changed=0
# The last line may have no end: people edit this.
while read -r -a words || [ "${#words[@]}" -gt 0 ]; do
    [ "${#words[@]}" -gt 0 ] || continue
    [ "${#words[@]}" -gt 1 ] || fail "how many partitions has ${words[0]}? Write: ${words[0]} 3"
    name=${words[0]} count=${words[1]} config=("${words[@]:2}")
    if [ -z "${partitions[$name]:-}" ]; then
        topics --create --if-not-exists --topic "$name" --partitions "$count" --replication-factor "$replicas" \
            "${config[@]/#/--config=}" >/dev/null || fail "topic $name could not be made"
        echo "topics: made $name" >&2
        changed=$((changed + 1))
        continue
    fi
    if [ "${partitions[$name]}" -gt "$count" ]; then
        echo "topics: $name has ${partitions[$name]} partitions, not $count; Kafka cannot take partitions away" >&2
    elif [ "${partitions[$name]}" -lt "$count" ]; then
        topics --alter --topic "$name" --partitions "$count" >/dev/null || fail "$name could not get $count partitions"
        changed=$((changed + 1))
    fi
    for setting in "${config[@]}"; do
        [[ ${settings[$name]} != *",$setting,"* ]] || continue
        configs --alter --entity-type topics --entity-name "$name" --add-config "${setting%%=*}=[${setting#*=}]" \
            >/dev/null || fail "$name could not get $setting"
        changed=$((changed + 1))
    done
done <"$wanted"

while [ "$changed" -gt 0 ] || [ -n "$lagging" ]; do
    changed=0
    look || lagging=" (the brokers do not say)"
    [ -z "$lagging" ] || [ "$SECONDS" -lt "$deadline" ] || fail "not all replicas are in sync:$lagging"
done
echo "topics: $(grep -c '' "$wanted") topics are there, all replicas in sync, after $SECONDS s" >&2
