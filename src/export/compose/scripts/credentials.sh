#!/bin/sh
# The logins of Mosquitto. Passwords are made here and stay in a volume that no other container has.
#
#   credentials                 makes passwords for users who have none; gives Mosquitto hashes and access rules
#   credentials show [USER]     prints all logins as user:password, or one user's password alone
#   credentials rotate USER     gives a user another password
#   credentials tls             takes a certificate chain and its private key, PEM, from stdin; Mosquitto serves TLS
#                               from its next start. With nothing on stdin it takes them away again.
set -eu
umask 077
# One user a line; a removed user's password is kept, in case he comes back, but opens nothing.
users=/etc/sosstack/users
passwords=/credentials/passwords
probe=sosstack-probe
shared=/mosquitto/credentials
owner=1883:1883
# The bridge's passwords, as files that its user alone may read.
bridge=/bridge
bridge_owner=65532:65532

fail() {
    echo "credentials: $1" >&2
    exit 1
}

# 144 random bits, 24 characters that need no quoting.
password() { head -c 18 /dev/urandom | base64 | tr '+/' '-_'; }

# What has been written to FILE.new becomes FILE, for OWNER alone; by default, for Mosquitto's user.
publish() {
    chmod 600 "$1.new"
    chown "${2:-$owner}" "$1.new"
    mv -f "$1.new" "$1"
}

missing() {
    awk -F : 'FILENAME == ARGV[1] { known[$1]; next } !($1 in known)' "$passwords" "$users"
}

ensure() {
    : >>"$passwords"
    cp "$passwords" "$passwords.new"
    missing | while IFS= read -r user; do
        printf '%s:%s\n' "$user" "$(password)"
    done >>"$passwords.new"
    mv -f "$passwords.new" "$passwords"

    awk -F : 'FILENAME == ARGV[1] { wanted[$1]; next } $1 in wanted' "$users" "$passwords" >"$shared/passwd.new"
    mosquitto_passwd -U "$shared/passwd.new"
    publish "$shared/passwd"
    cat /etc/sosstack/acl >"$shared/acl.new"
    publish "$shared/acl"
    # The health check's login, as options of mosquitto_pub: a command line could be read by others.
    printf -- '-u %s\n-P %s\n' "$probe" "$(show "$probe")" >"$shared/mosquitto_pub.new"
    publish "$shared/mosquitto_pub"
    for user in sos_bridge "$probe"; do
        show "$user" >"$bridge/$user.new"
        publish "$bridge/$user" "$bridge_owner"
    done
    echo "credentials: $(grep -c '' "$users") logins are ready" >&2
}

# Compared as text: 007 and 7 are two devices.
of_user() {
    user=$1 awk -F : '$1 "" == ENVIRON["user"] { print $2; found = 1 } END { exit !found }' "$passwords"
}

show() {
    [ -s "$passwords" ] || fail "there are no passwords yet: docker compose up --wait"
    if [ $# -eq 0 ]; then
        cat "$passwords"
    else
        of_user "$1" || fail "there is no user $1"
    fi
}

rotate() {
    show "$1" >/dev/null
    user=$1 awk -F : '$1 "" != ENVIRON["user"]' "$passwords" >"$passwords.new"
    mv -f "$passwords.new" "$passwords"
    ensure
    echo "credentials: $1 has another password; for Mosquitto to know it: docker compose kill --signal HUP mosquitto" >&2
}

tls() {
    cat >"$shared/pem.new"
    if [ ! -s "$shared/pem.new" ]; then
        rm -f "$shared/pem.new" "$shared/tls.conf"
        echo "credentials: no certificate any more; docker compose restart mosquitto" >&2
        return
    fi
    awk '/-BEGIN .*PRIVATE KEY-/, /-END .*PRIVATE KEY-/' "$shared/pem.new" >"$shared/server.key.new"
    awk '/-BEGIN CERTIFICATE-/, /-END CERTIFICATE-/' "$shared/pem.new" >"$shared/server.crt.new"
    rm "$shared/pem.new"
    if [ ! -s "$shared/server.key.new" ] || [ ! -s "$shared/server.crt.new" ]; then
        rm "$shared/server.key.new" "$shared/server.crt.new"
        fail "stdin holds no certificate with its private key: cat server.crt server.key | docker compose run --rm -T credentials tls"
    fi
    publish "$shared/server.key"
    publish "$shared/server.crt"
    cat /etc/sosstack/tls.conf >"$shared/tls.conf.new"
    publish "$shared/tls.conf"
    echo "credentials: the certificate is in place; docker compose restart mosquitto" >&2
}

case ${1:-ensure} in
ensure) ensure ;;
show) shift && show "$@" ;;
rotate) rotate "${2:?a user}" ;;
tls) tls ;;
*) fail "there is no command $1; there are show [USER], rotate USER and tls" ;;
esac
