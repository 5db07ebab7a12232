# Puts Mosquitto's accounts together from Secrets; they are in none of the manifests.
#
#   accounts.sh setup    once, before the server starts
#   accounts.sh watch    again whenever a Secret changes; the server then reloads without a restart, except for another
#                        password of the peer link, which it reads when it starts only
#
# `bridge` is the user of the link between the two servers, which Mosquitto calls a bridge; `sos_bridge` is the user of the
# bridge to Kafka. Passwords are never arguments: other processes of the pod could read those.
set -eu
umask 077

# A test has them elsewhere.
config=${SOSSTACK_CONFIG:-/etc/sosstack}
secrets=${SOSSTACK_SECRETS:-/run/secrets/sosstack}
run=${SOSSTACK_RUN:-/run/sosstack}

say() { echo "accounts: $*" >&2; }

# 48 hexadecimal digits of what comes in.
digest() { sha256sum | cut -c1-48; }

# The password of the link between the two servers. Without a Secret of its own it follows from the backend's.
peer_password() {
    if [ -s "$secrets/peer/password" ]; then
        cat "$secrets/peer/password"
    else
        printf 'bridge:%s' "$1" | digest
    fi
}

# The password of the probe. Without a Secret of its own this pod has made one.
probe_password() {
    if [ -s "$secrets/probe/password" ]; then
        cat "$secrets/probe/password"
    else
        cat "$run/probe-password"
    fi
}

# The login of the readiness probe, as options of its tool: a command line could be read by others.
write_probe_login() {
    mkdir -p "$run/probe"
    for tool in mosquitto_sub mosquitto_pub; do
        printf '%s\n' '-u sosstack-probe' "-P $1" >"$run/probe/$tool.new"
        mv "$run/probe/$tool.new" "$run/probe/$tool"
    done
}

# Whether all Secrets of devices are of one export: while they are being replaced they are not.
devices_belong_together() {
    [ -f "$secrets/devices/0/shards" ] || return 0
    count=$(cat "$secrets/devices/0/shards")
    generation=$(cat "$secrets/devices/0/generation")
    shard=0
    while [ "$shard" -lt "$count" ]; do
        [ "$(cat "$secrets/devices/$shard/generation" 2>/dev/null)" = "$generation" ] || return 1
        shard=$((shard + 1))
    done
}

# What all Secrets of devices hold under a key. Beyond the count of the first one they are of an older export.
of_devices() {
    count=$(cat "$secrets/devices/0/shards" 2>/dev/null || echo 64)
    shard=0
    while [ "$shard" -lt "$count" ]; do
        cat "$secrets/devices/$shard/$1" 2>/dev/null || true
        shard=$((shard + 1))
    done
}

# The backend's name is a line's beginning in both files, so it must not end one.
check_user() {
    case $1 in
        '' | bridge | sos_bridge | sosstack-probe | *[!A-Za-z0-9._@-]*)
            say "mqtt-username in the Secret mqtt-credentials is not a valid user name: use letters, digits and . _ @ -"
            return 1
            ;;
    esac
}

# Writes passwd and acl, each at once or not at all.
assemble() {
    user=$(cat "$secrets/credentials/mqtt-username") || return 1
    password=$(cat "$secrets/credentials/mqtt-password") || return 1
    check_user "$user" || return 1
    [ -n "$password" ] || { say "mqtt-password in the Secret mqtt-credentials is empty"; return 1; }
    if ! devices_belong_together; then
        say "the Secrets mqtt-devices-N are not of one export (yet): apply all of them"
        return 1
    fi
    probe=$(probe_password) || return 1
    printf '%s:%s\n' "$user" "$password" bridge "$(peer_password "$password")" sosstack-probe "$probe" >"$run/passwd.new"
    if [ -s "$secrets/bridge/password" ]; then
        printf '%s:%s\n' sos_bridge "$(cat "$secrets/bridge/password")" >>"$run/passwd.new"
    fi
    mosquitto_passwd -U "$run/passwd.new" || return 1
    of_devices passwd >>"$run/passwd.new"
    {
        printf 'user %s\ntopic readwrite #\ntopic read $SYS/#\n\n' "$user"
        printf 'user bridge\ntopic readwrite #\n\n'
        printf 'user sosstack-probe\ntopic readwrite sosstack/probe/#\ntopic read $SYS/broker/uptime\n\n'
        cat "$config/acl-bridge"
        of_devices acl
        echo
        cat "$config/acl-devices"
    } >"$run/acl.new"
    if [ -s "$secrets/tls/tls.crt" ]; then
        cp "$secrets/tls/tls.key" "$run/tls.key.new" && cp "$secrets/tls/tls.crt" "$run/tls.crt.new" || return 1
        mv "$run/tls.key.new" "$run/tls.key"
        mv "$run/tls.crt.new" "$run/tls.crt"
    fi
    write_probe_login "$probe"
    mv "$run/passwd.new" "$run/passwd"
    mv "$run/acl.new" "$run/acl"
    say "$(grep -c : "$run/passwd") accounts"
}

# Writes the peer link's configuration. Whether it is another than before; without a link it never is.
link_changed() {
    # From one side only: from both, every message would go round for ever.
    [ "${HOSTNAME##*-}" = 1 ] || return 1
    {
        cat "$config/bridge.conf"
        printf 'remote_password %s\n' "$(peer_password "$(cat "$secrets/credentials/mqtt-password")")"
    } >"$run/bridge.new"
    if cmp -s "$run/bridge.new" "$run/conf.d/bridge.conf"; then return 1; fi
    mv "$run/bridge.new" "$run/conf.d/bridge.conf"
}

# The kubelet replaces all files of the volume at once, by this link.
version() { readlink "$secrets/..data"; }

setup() {
    mkdir -p "$run/conf.d"
    [ -s "$run/probe-password" ] || head -c 32 /dev/urandom | digest >"$run/probe-password"
    until version >"$run/version" && assemble; do sleep 5; done
    rm -f "$run/conf.d/bridge.conf" "$run/conf.d/tls.conf"
    link_changed || true
    if [ -s "$run/tls.crt" ]; then
        cp "$config/tls.conf" "$run/conf.d/tls.conf"
        say "port 8883 is open"
    else
        say "there is no Secret mqtt-tls, so port 8883 stays closed"
    fi
}

# The server's process, once it listens to signals: before, they end it.
server() {
    for process in /proc/[0-9]*; do
        [ "$(cat "$process/comm" 2>/dev/null)" = mosquitto ] || continue
        until sed -n 's/^SigCgt://p' "$process/status" | grep -q '[13579bdf]$'; do
            [ -d "$process" ] || return 1
            sleep 1
        done
        echo "${process#/proc/}"
        return
    done
    return 1
}

# Has the server act on what was put together.
tell() {
    process=$(server) || { say "the server does not run yet"; return 1; }
    if link_changed; then
        say "the peer link has another password: the server starts again, keeping its sessions"
        kill -TERM "$process"
    else
        kill -HUP "$process"
        say "the server reloads"
    fi
}

watch() {
    known=$(cat "$run/version")
    while :; do
        now=$(version)
        if [ "$now" != "$known" ] && assemble && tell; then
            known=$now
            if [ -s "$run/tls.crt" ] && [ ! -e "$run/conf.d/tls.conf" ]; then
                say "the Secret mqtt-tls is new: kubectl rollout restart statefulset/mqtt opens port 8883"
            fi
        fi
        sleep 5
    done
}

"$1"
