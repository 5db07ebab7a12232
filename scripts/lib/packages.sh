# Collects what is needed and installs it as packages, or says which. Sourced by setup.sh.
# shellcheck shell=bash

needed=()
need() { needed+=("$1"); }

# $1 seconds at most for the rest; without timeout(1), as on macOS, without a limit.
within() {
    local seconds=$1
    shift
    if command -v timeout >/dev/null; then timeout "$seconds" "$@"; else "$@"; fi
}

is_root() { [ "$(id -u)" = 0 ]; }

# How a person would have to begin the command.
privileged_words() { is_root || echo "sudo "; }

# Runs a command as root. Proxies come along, as apt has no other way to know them.
privileged() {
    if is_root; then "$@"; else sudo -n --preserve-env=http_proxy,https_proxy,no_proxy "$@"; fi
}

may_install() { command -v apt-get >/dev/null && { is_root || sudo -n true 2>/dev/null; }; }

has_package() {
    command -v apt-cache >/dev/null && apt-cache show --no-all-versions "$1" >/dev/null 2>&1
}

debian_name() {
    case $1 in
    java) if has_package openjdk-17-jre-headless; then echo openjdk-17-jre-headless; else echo default-jre-headless; fi ;;
    python) echo python3-venv ;;
    openssl) echo libssl-dev ;;
    *) echo "$1" ;;
    esac
}

homebrew_name() {
    case $1 in
    java) echo openjdk@17 ;;
    python) echo python ;;
    openssl) echo openssl@3 ;;
    pkg-config) echo pkgconf ;;
    mosquitto-clients) echo mosquitto ;;
    nodejs | npm) echo node ;;
    *) echo "$1" ;;
    esac
}

# $1: the function that names a package.
package_names() {
    local thing
    for thing in "${needed[@]}"; do "$1" "$thing"; done | sort -u | paste -sd' ' -
}

# Lists of packages are refreshed only when they do not know what is needed.
refresh_lists() {
    local name
    for name in $(package_names debian_name); do
        has_package "$name" && continue
        apt_get update
        return
    done
}

apt_get() {
    local log
    log=$(mktemp)
    if ! privileged env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -qq \
        -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# Debian starts what it installs; Mosquitto on port 1883 would be in the stack's way. A policy that is there already
# belongs to somebody else and stays.
policy=/usr/sbin/policy-rc.d
forbid_start() {
    [ -e "$policy" ] && return
    # shellcheck disable=SC2016  # for that script to expand
    printf '#!/bin/sh\n[ "$1" != mosquitto ] || exit 101\n' | privileged tee "$policy" >/dev/null
    privileged chmod 755 "$policy"
    trap allow_start EXIT
}
allow_start() {
    privileged rm -f "$policy"
    trap - EXIT
}

# Nor after the next boot.
disable_mosquitto() {
    if command -v systemctl >/dev/null; then
        privileged systemctl disable --now mosquitto.service >/dev/null 2>&1 || true
    elif command -v update-rc.d >/dev/null; then
        privileged update-rc.d mosquitto disable >/dev/null 2>&1 || true
    fi
}

install_with_apt() {
    local names mosquitto_is_new=
    [[ " ${needed[*]} " != *" mosquitto "* ]] || mosquitto_is_new=yes
    refresh_lists || return
    names=$(package_names debian_name)
    echo "setup: installing $names" >&2
    # The JRE's set-up fails where slim images have removed the manual pages' folder.
    privileged mkdir -p /usr/share/man/man1
    [ -z "$mosquitto_is_new" ] || forbid_start
    # shellcheck disable=SC2086  # a word a package
    apt_get install -y --no-install-recommends $names ||
        { apt_get update && apt_get install -y --no-install-recommends $names; } || return
    if [ -n "$mosquitto_is_new" ]; then
        disable_mosquitto
        [ -z "$(trap -p EXIT)" ] || allow_start
    fi
}

install_needed() {
    [ "${#needed[@]}" -gt 0 ] || return 0
    if may_install; then
        install_with_apt && return
        echo "setup: apt-get could not install: $(package_names debian_name)" >&2
        return 1
    fi
    echo "setup: missing: ${needed[*]}. Install them, then run this again:" >&2
    if command -v brew >/dev/null || [ "$(uname)" = Darwin ]; then
        echo "  brew install $(package_names homebrew_name)" >&2
        echo "  (compilers come with: xcode-select --install)" >&2
    elif command -v apt-get >/dev/null; then
        echo "  sudo apt-get update && sudo apt-get install --no-install-recommends $(package_names debian_name)" >&2
    else
        echo "  your system's packages of these names (Debian calls them $(package_names debian_name))" >&2
    fi
    return 1
}
