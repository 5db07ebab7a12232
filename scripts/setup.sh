#!/usr/bin/env bash
# Installs what this machine lacks; silent and quick when it lacks nothing.
#
#   scripts/setup.sh build   what building needs
#   scripts/setup.sh up      that, and what running the stack without Docker needs, unless Docker can run it
#   scripts/setup.sh test    that, and the clients that the tests use
#   scripts/setup.sh lint    what building needs, and the tools that check the sources
#
# Packages are installed on Debian and Ubuntu as root or with a sudo that asks for no password; elsewhere, and for
# Rust, it says what to install and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib/packages.sh

# Oldest Java that Kafka 3.9 and ZooKeeper 3.9 run on.
oldest_java=11
# Where rustup puts cargo; a shell knows it only after the next login.
PATH=$PATH:$HOME/.cargo/bin

has() { command -v "$1" >/dev/null 2>&1; }

# Debian keeps servers out of a user's PATH, Homebrew has places of its own.
has_mosquitto() {
    local dir
    has mosquitto && return
    for dir in /usr/sbin /usr/local/sbin /opt/homebrew/sbin /opt/homebrew/opt/mosquitto/sbin; do
        [ -x "$dir/mosquitto" ] && return
    done
    return 1
}

has_java() {
    local java=java version
    if [ -x "${JAVA_HOME:-/nowhere}/bin/java" ]; then java=${JAVA_HOME:-}/bin/java; fi
    version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1) || true
    [ -n "$version" ] && [ "$version" -ge "$oldest_java" ]
}

# librdkafka is compiled with make, its own configure script, a C and a C++ compiler, and speaks TLS by OpenSSL.
need_build() {
    has cc || need gcc
    has c++ || need g++
    has make || need make
    has pkg-config || need pkg-config
    pkg-config --exists libssl 2>/dev/null || need openssl
    [ -d /usr/include/linux ] || [ "$(uname)" != Linux ] || need libc6-dev
    [ -e /etc/ssl/certs/ca-certificates.crt ] || [ "$(uname)" != Linux ] || ! has apt-get || need ca-certificates
}

need_processes() {
    has_java || need java
    has mvn || need maven
    has_mosquitto || need mosquitto
}

# Whether a daemon answers that has the default images or can get them.
docker_serves() {
    has docker && within 5 docker version >/dev/null 2>&1 || return 1
    local images smallest
    images=$(scripts/default-images.sh)
    # shellcheck disable=SC2086  # a word an image
    docker image inspect $images >/dev/null 2>&1 && return
    smallest=$(grep mosquitto <<<"$images")
    within 60 docker pull --quiet "$smallest" >/dev/null 2>&1
}

need_up() {
    case ${SOSSTACK_RUNTIME:-auto} in
    docker) return ;;
    process) need_processes ;;
    *)
        # Asking Docker may mean a pull: only where something would have to be installed otherwise.
        local before=${#needed[@]}
        need_processes
        if [ "${#needed[@]}" -gt "$before" ] && docker_serves; then needed=(${needed[@]+"${needed[@]:0:before}"}); fi
        ;;
    esac
}

need_test() {
    need_processes
    has mosquitto_pub || need mosquitto-clients
    has kcat || need kcat
    has node || need nodejs
    has npm || need npm
    python3 -c 'import venv, ensurepip' 2>/dev/null || need python
}

# Compiled once, which takes minutes; cargo keeps it.
cargo_deny=0.20.2
install_linters() {
    local component
    for component in clippy rustfmt; do
        if ! cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1; then
            has rustup || { echo "setup: install Rust's $component, then run this again" >&2 && return 1; }
            rustup component add "$component"
        fi
    done
    if ! has cargo-deny; then
        echo "setup: building cargo-deny $cargo_deny, once" >&2
        cargo install --quiet --locked --version "$cargo_deny" cargo-deny
    fi
}

# Compares versions such as 1.89 and 1.95.0.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

check_rust() {
    local wanted found how
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    found=$(rustc --version 2>/dev/null | cut -d' ' -f2) || true
    if has cargo && [ -n "$found" ] && at_least "$wanted" "$found"; then return; fi
    if has rustup; then
        how="rustup update stable && rustup default stable"
    elif has_package rustup; then
        how="$(privileged_words)apt-get install rustup && rustup default stable"
    elif has brew; then
        how="brew install rustup && rustup default stable"
    else
        how="install rustup as https://rustup.rs says (one line: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh)"
    fi
    echo "setup: building needs Rust $wanted or later; here is ${found:-none}. Install it, then run this again:" >&2
    echo "  $how" >&2
    return 1
}

what=${1:-up}
case $what in
build | lint) need_build ;;
up) need_build && need_up ;;
test) need_build && need_test ;;
*)
    sed -n '4,7s/^# *//p' "$0" >&2
    exit 2
    ;;
esac
install_needed
check_rust
if [ "$what" = lint ]; then install_linters; fi
