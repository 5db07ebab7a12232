#!/usr/bin/env bash
# kcat: brokers and topics in the metadata, a keyed message with a header and snappy goes in and comes out.
set -euo pipefail

topic=${INTEROP_TOPIC:-emergency.created}
id=interop-$(date +%s%N)-$$
payload="{\"emergencyId\":\"$id\",\"type\":\"MEDICAL\"}"
kafka() { kcat -b "$KAFKA_BROKERS" -X socket.timeout.ms=10000 "$@"; }

brokers=$(kafka -L -J | grep -o '"brokers":\[[^]]*\]' | grep -o '"id":' | wc -l)
wanted=$(tr ',' '\n' <<<"$KAFKA_BROKERS" | wc -l)
[ "$brokers" = "$wanted" ] || { echo "metadata names $brokers brokers, KAFKA_BROKERS $wanted"; exit 1; }

began=$(date +%s%3N)
printf '%s' "$payload" | kafka -P -t "$topic" -k "$id" -H "source=kcat" -z snappy \
    -X acks=all -X message.timeout.ms=20000
got=$(kafka -C -t "$topic" -o "s@$((began - 1000))" -e -q -X fetch.wait.max.ms=10 -f '%k|%h|%s\n' | grep -F "$id" || true)
[ "$got" = "$id|source=kcat|$payload" ] || { echo "sent $payload to $topic, consumed: ${got:-nothing}"; exit 1; }

# A typo must fail, not make a topic.
if printf x | kafka -P -t "no-such-topic-$id" -X message.timeout.ms=2000 2>/dev/null; then
    echo "a message to a topic that does not exist was accepted"
    exit 1
fi
