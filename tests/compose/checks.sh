# What must hold, in this order: later checks go on with what earlier ones left. Sourced by run.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # run.sh uses these, and sets those
# shellcheck disable=SC2016  # MQTT topics and hashes have dollars


checks=(
    check_up_from_empty check_local_only check_topics check_kafka check_mqtt check_websocket check_no_secret_shown
    check_inside check_sosstack check_up_again check_broker_killed check_all_killed check_down_and_up
    check_rotate check_tls check_changed_stack check_topics_fail_loudly check_bridge check_nothing_remains
)
brokers=127.0.0.1:$kafka_port,127.0.0.1:$((kafka_port + 1)),127.0.0.1:$((kafka_port + 2))

check_up_from_empty() {
    up
    local service
    for service in $(compose config --services); do
        state=$(docker inspect --format '{{.State.Status}} {{.State.ExitCode}} {{with .State.Health}}{{.Status}}{{end}}' "$(container "$service")")
        case $service:$state in
        credentials:"exited 0 " | topics:"exited 0 " | ready:"running 0 ") ;;
        *:"running 0 healthy") ;;
        *) fail up "$service is $state" ;;
        esac
    done
}

# Whatever Docker publishes, it publishes on 127.0.0.1.
check_local_only() {
    local addresses
    addresses=$(compose ps --all --quiet | xargs docker inspect --format \
        '{{range .NetworkSettings.Ports}}{{range .}}{{println .HostIp}}{{end}}{{end}}' | grep . | sort | uniq -c | tr -s ' ')
    [ "$addresses" = " 9 127.0.0.1" ] || fail local-only "ports are published on: $addresses"
}

check_topics() {
    local metadata
    metadata=$(timeout 60 kcat -b "$brokers" -L)
    [ "$(grep -c '^  broker ' <<<"$metadata")" = 3 ] || fail topics "not three brokers: $metadata"
    [ "$(grep -c '^  topic "[a-z]' <<<"$metadata")" = 13 ] || fail topics "not 13 topics: $metadata"
    # 45, and the one of the probe.
    [ "$(grep -cE 'replicas: .,.,., isrs: .,.,.$' <<<"$metadata")" -ge 46 ] ||
        fail topics "not 46 partitions with three replicas in sync: $metadata"
    ! grep -qE 'isrs: (.|.,.)$' <<<"$metadata" || fail topics "some replicas are not in sync: $metadata"
}

check_kafka() {
    local port payload
    for port in 0 1 2; do
        payload=through-$port-$RANDOM
        produce "127.0.0.1:$((kafka_port + port))" audit.access "$payload" || fail kafka "broker $port takes nothing"
        consume "$brokers" audit.access | has -xF "$payload" || fail kafka "$payload does not come"
    done
    if produce "$brokers" no.such.topic x 3000 2>/dev/null; then fail kafka "a topic was made by a typo"; fi
}

check_mqtt() {
    local backend device received
    backend=$(password_of sos_service)
    device=$(password_of device-12345)
    [[ ${#backend} = 24 && ${#device} = 24 && $backend != "$device" ]] || fail mqtt "strange passwords"
    login device-12345 "$device"
    mqtt mosquitto_pub -q 1 -r -t device/device-12345/status -m fine
    # A refused publish is acknowledged all the same, so what counts is what arrives.
    mqtt mosquitto_pub -q 1 -r -t device/esp32-001/status -m forged >/dev/null 2>&1 || true
    login sos_service "$backend"
    received=$(mqtt mosquitto_sub -q 1 -t 'device/+/status' -W 3 -F '%t %p' 2>/dev/null || true)
    [ "$received" = "device/device-12345/status fine" ] || fail mqtt "the backend received: $received"
    [ -n "$(mqtt mosquitto_sub -t '$SYS/broker/uptime' -C 1 -W 5)" ] || fail mqtt "the backend does not see \$SYS"
    login sos_bridge "$(password_of sos_bridge)"
    mqtt mosquitto_pub -q 1 -r -t device/sos_bridge/status -m forged >/dev/null 2>&1 || true
    received=$(mqtt mosquitto_sub -q 1 -t '#' -W 3 -F '%t %p' 2>/dev/null || true)
    [ "$received" = "device/device-12345/status fine" ] || fail mqtt "the bridge's login received: $received"
    login sos_service wrong
    ! login_works x || fail mqtt "a wrong password is accepted"
    if XDG_CONFIG_HOME=$work/nowhere mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -t a -m b 2>/dev/null; then
        fail mqtt "strangers are let in"
    fi
}

check_websocket() {
    local status
    exec 3<>"/dev/tcp/127.0.0.1/$ws_port"
    printf 'GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n' \
        dGhlIHNhbXBsZSBub25jZQ== >&3
    read -r -t 10 status <&3
    exec 3>&-
    [[ $status = *" 101 "* ]] || fail websocket "it answers: $status"
}

check_no_secret_shown() {
    local shown secret
    shown=$(cat "$work/compose"/* && compose config && compose logs 2>&1 && compose ps --all --quiet | xargs docker inspect)
    for secret in $(compose run --rm -T credentials show 2>/dev/null | cut -d: -f2) '\$7\$101\$'; do
        ! grep -qe "$secret" <<<"$shown" || fail secrets "a password or hash is shown to everybody"
    done
    # Each in its own volume: the server that devices reach has hashes only.
    compose exec -T mosquitto cat /mosquitto/credentials/passwd | has '^device-12345:\$7\$' || fail secrets "no hashes"
    ! compose exec -T mosquitto ls /credentials >/dev/null 2>&1 || fail secrets "Mosquitto has all passwords"
}

# Applications in containers: production's names.
check_inside() {
    local images domain=sos-app.svc.cluster.local
    images=$(compose config --images)
    ZOOKEEPER_CONNECT=zookeeper-0.zookeeper-headless.$domain:2181,zookeeper-1.zookeeper-headless.$domain:2181 \
    KAFKA_BROKERS=kafka-0.kafka-headless.$domain:9092,kafka-1.kafka-headless.$domain:9092 \
    MQTT_USERNAME=sos_service MQTT_PASSWORD=$(password_of sos_service) MQTT_HOST=mqtt-service MQTT_PORT=1883 \
        tests/interop/inside.sh "${project}_default" "$(grep -m 1 kafka <<<"$images")" "$(grep -m 1 mosquitto <<<"$images")" \
        >"$work/inside.out" 2>&1 || fail inside "$(cat "$work/inside.out")"
}

check_sosstack() {
    local lines
    lines=$("$sosstack" --quiet sub audit.access --bootstrap "localhost:$kafka_port" --from beginning --until now | grep -c '^through-')
    [ "$lines" = 3 ] || fail sosstack "sub received $lines messages instead of 3"
}

check_up_again() {
    local before after passwords
    before=$(compose ps --all --quiet | sort)
    passwords=$(password_of sos_service)
    up
    after=$(compose ps --all --quiet | sort)
    [ "$before" = "$after" ] || fail up-again "containers were made anew"
    [ "$passwords" = "$(password_of sos_service)" ] || fail up-again "passwords were made anew"
}

# kill -9 to the broker in its container, which is back before its session has expired; `up` at once.
check_broker_killed() {
    compose exec -T kafka-1 bash -c 'kill -9 "$(cat /proc/1/task/1/children)"'
    produce "$brokers" audit.access while-one-is-away || fail broker-killed "two brokers take nothing"
    up
    compose logs kafka-1 2>&1 | has 'ended with exit status 137; attempt 1' || fail broker-killed "it was not killed"
    check_topics
}

check_all_killed() {
    produce "$brokers" audit.changes acknowledged
    compose kill >/dev/null 2>&1
    up
    consume "$brokers" audit.changes | has -xF acknowledged || fail all-killed "an acknowledged message is lost"
    check_topics
}

check_down_and_up() {
    local secret
    secret=$(password_of sos_service)
    login sos_service "$secret"
    mqtt mosquitto_sub -i keeper-of-this-test -c -q 1 -t device/kept/alert -E
    mqtt mosquitto_pub -q 1 -t device/kept/alert -m queued
    compose down >/dev/null 2>&1
    up
    [ "$secret" = "$(password_of sos_service)" ] || fail down-and-up "another password"
    [ "$(mqtt mosquitto_sub -i keeper-of-this-test -c -q 1 -t device/kept/alert -C 1 -W 10)" = queued ] ||
        fail down-and-up "the queued message is lost"
    consume "$brokers" audit.changes | has -xF acknowledged || fail down-and-up "Kafka's messages are lost"
    check_topics
}

check_rotate() {
    local old new
    old=$(password_of esp32-001)
    compose run --rm -T credentials rotate esp32-001 2>/dev/null
    new=$(password_of esp32-001)
    compose kill --signal HUP mosquitto
    login esp32-001 "$new"
    local tries=0
    until login_works esp32-001; do
        tries=$((tries + 1))
        [ "$tries" -lt 50 ] || fail rotate "the new password is refused"
        sleep 0.1
    done
    login esp32-001 "$old"
    ! login_works esp32-001 || fail rotate "the old password is still accepted"
}

# Any certificate opens 8883; it stays through `up` and goes as it came.
check_tls() {
    if ! command -v openssl >/dev/null; then
        echo "SKIPPED tls: this machine has no openssl"
        return
    fi
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1,DNS:mqtt-service \
        -keyout "$work/server.key" -out "$work/server.crt" 2>/dev/null
    ! compose run --rm -T credentials tls <"$work/server.crt" 2>/dev/null || fail tls "a certificate without key is taken"
    cat "$work/server.crt" "$work/server.key" | compose run --rm -T credentials tls 2>/dev/null
    compose restart mosquitto 2>/dev/null
    up
    login sos_service "$(password_of sos_service)"
    mqtt mosquitto_pub -p "$mqtts_port" --cafile "$work/server.crt" -q 1 -t device/tls/status -m ok ||
        fail tls "no login over TLS"
    compose run --rm -T credentials tls </dev/null 2>/dev/null
    compose restart mosquitto 2>/dev/null
    up
    ! mqtt mosquitto_pub -p "$mqtts_port" --cafile "$work/server.crt" -q 1 -t a -m b 2>/dev/null ||
        fail tls "TLS is served without a certificate"
}

# A new export over the old one: what differs is made anew, brokers are not.
check_changed_stack() {
    local brokers_before
    brokers_before=$(container kafka-0)
    cat >>"$work/sosstack.yaml" <<'YAML'
topics:
  - {name: orders.new, partitions: 4, config: {retention.ms: 3600000}}
  - {name: audit.access, partitions: 5, config: {retention.ms: 7200000}}
devices:
  - {id: watch-7, owner: user-7}
  - {id: "007"}
  - {id: "7"}
YAML
    export_stack
    up
    [ "$brokers_before" = "$(container kafka-0)" ] || fail changed-stack "a broker was made anew"
    timeout 60 kcat -b "$brokers" -L >"$work/metadata"
    grep -q 'topic "orders.new" with 4 partitions' "$work/metadata" || fail changed-stack "no topic orders.new"
    grep -q 'topic "audit.access" with 5 partitions' "$work/metadata" || fail changed-stack "audit.access did not grow"
    "$sosstack" --quiet topic describe audit.access --bootstrap "127.0.0.1:$kafka_port" | has 'retention.ms.*7200000' ||
        fail changed-stack "audit.access keeps its old setting"
    login watch-7 "$(password_of watch-7)"
    login_works watch-7 || fail changed-stack "the new device cannot log in"
    [ "$(password_of 007)" != "$(password_of 7)" ] || fail changed-stack "007 is taken for 7"
}

# Also: what a user puts beside the export counts, and the next export leaves it there.
check_topics_fail_loudly() {
    printf 'configs:\n  topics:\n    content: "broken 3 no.such.setting=1"\n' >"$work/compose/compose.override.yaml"
    export_stack
    if try_up; then fail topics-fail "up succeeds without a topic"; fi
    grep -q 'service "topics" didn.t complete successfully: exit 1' "$work/up.err" || fail topics-fail "$(cat "$work/up.err")"
    compose logs topics 2>&1 | has 'topics: topic broken could not be made' || fail topics-fail "no reason is given"
    rm "$work/compose/compose.override.yaml"
    up
}

# The profile: healthy once a press gets through; what devices publish arrives, also what waited while it was away.
check_bridge() {
    build_own_image
    export_stack --bridge-image "$own_image"
    up --profile bridge
    [ "$(docker inspect --format '{{.State.Health.Status}}' "$(container bridge)")" = healthy ] || fail bridge "not healthy"
    curl --silent --fail "http://127.0.0.1:$((9111 + offset))/readyz" >/dev/null || fail bridge "it does not say that it is ready"
    login watch-7 "$(password_of watch-7)"
    mqtt mosquitto_pub -q 2 -t panic/watch-7/press -m '{"latitude":1,"longitude":2}'
    await_record emergency.created '"userId":"user-7"'
    compose --profile bridge stop bridge 2>/dev/null
    mqtt mosquitto_pub -q 1 -t device/watch-7/alert -m '{"while":"it was away"}'
    up --profile bridge
    await_record device.alerts 'it was away'
    # Its login is its own, from a file that nobody else reads.
    ! docker inspect "$(container bridge)" | has -F "$(password_of sos_bridge)" || fail bridge "its password is shown"
    compose run --rm -T credentials rotate sos_bridge 2>/dev/null
    compose kill --signal HUP mosquitto
    compose --profile bridge restart bridge 2>/dev/null
    up --profile bridge
}

check_nothing_remains() {
    compose --profile bridge down --volumes >/dev/null 2>&1
    local label=label=com.docker.compose.project=$project
    remains=$(docker ps --all --quiet --filter "$label" && docker volume ls --quiet --filter "$label" &&
        docker network ls --quiet --filter "$label")
    [ -z "$remains" ] || fail nothing-remains "$remains"
}
