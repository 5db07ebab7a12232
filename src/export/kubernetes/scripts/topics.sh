# Makes the topics of the file `topics` (name partitions key=value…), adds partitions where there are fewer, and sets
# what the file sets. Takes nothing away. Fails when afterwards anything is missing.
set -euo pipefail

topics=/etc/sosstack/topics
tools=/opt/kafka/bin

say() { echo "topics: $*"; }

kafka() {
    local tool=$1
    shift
    # That names with dots could collide with names with underscores is seen to before.
    "$tools/$tool.sh" --bootstrap-server "$BOOTSTRAP" "$@" </dev/null | sed '/^WARNING: Due to limitations/d'
}

# As many brokers as a topic has replicas.
brokers_are_there() {
    local found
    found=$(kafka kafka-broker-api-versions 2>/dev/null | grep -c ' (id: ' || true)
    say "$found of $REPLICAS brokers answer"
    [ "$found" -ge "$REPLICAS" ]
}

# "name partitions" of all topics, one a line.
existing() {
    kafka kafka-topics --describe --exclude-internal |
        awk '/PartitionCount:/ { for (i = 1; i < NF; i++) { if ($i == "Topic:") name = $(i + 1); if ($i == "PartitionCount:") print name, $(i + 1) } }'
}

until brokers_are_there; do sleep 5; done

found=$(existing)
while read -r name partitions settings; do
    have=$(awk -v name="$name" '$1 == name { print $2 }' <<<"$found")
    if [ -z "$have" ]; then
        arguments=()
        for setting in $settings; do arguments+=(--config "$setting"); done
        kafka kafka-topics --create --if-not-exists --topic "$name" --partitions "$partitions" \
            --replication-factor "$REPLICAS" "${arguments[@]}"
    else
        if [ "$have" -lt "$partitions" ]; then
            kafka kafka-topics --alter --topic "$name" --partitions "$partitions"
            say "$name has $partitions partitions now, not $have"
        fi
        for setting in $settings; do
            # In brackets, a value may hold commas.
            kafka kafka-configs --alter --entity-type topics --entity-name "$name" \
                --add-config "${setting%%=*}=[${setting#*=}]"
        done
    fi
done <"$topics"

found=$(existing)
missing=0
while read -r name partitions _; do
    have=$(awk -v name="$name" '$1 == name { print $2 }' <<<"$found")
    if [ "${have:-0}" -lt "$partitions" ]; then
        say "$name has ${have:-no} partitions, not $partitions"
        missing=1
    fi
done <"$topics"
[ "$missing" = 0 ] || exit 1
say "$(grep -c . "$topics") topics are as they should be"
