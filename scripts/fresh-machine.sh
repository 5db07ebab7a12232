#!/usr/bin/env bash
# Runs a command on a machine that has nothing: a bare Debian with make, Rust and a clean clone in /src, no compiler,
# Docker, Java, Maven or Mosquitto. It is how `make up && make test` is proven to need nothing else.
#
#   scripts/fresh-machine.sh [--keep] [--suite bookworm] DIR COMMAND [ARGUMENT…]
#   scripts/fresh-machine.sh /var/tmp/fresh make up
#   scripts/fresh-machine.sh /var/tmp/fresh sh -c 'make up && sosstack status && make test'
#
# DIR keeps the bare Debian as an archive; the machine itself is a new folder in DIR, removed at the end unless --keep.
# It has its own processes and mounts, which end with the command, and this machine's network: ports are shared.
# Needs root and mmdebstrap. The clone is of HEAD: commit first.
set -euo pipefail

usage() {
    sed -n '5,7s/^# *//p' "$0" >&2
    exit 2
}
fail() {
    echo "fresh-machine: $1" >&2
    exit 1
}

keep=
suite=bookworm
while [[ ${1:-} == --* ]]; do
    case $1 in
    --keep) keep=yes ;;
    --suite) suite=$2 && shift ;;
    *) usage ;;
    esac
    shift
done
[ $# -ge 2 ] || usage
[ "$(id -u)" = 0 ] || fail "only root can make a machine"
command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing: apt-get install mmdebstrap"

clone_from=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift

archive=$dir/$suite.tar
if [ ! -s "$archive" ]; then
    echo "fresh-machine: making a bare $suite (half a minute)" >&2
    mmdebstrap --quiet --variant=minbase --include=make "$suite" "$archive.part.tar" || fail "mmdebstrap failed"
    mv "$archive.part.tar" "$archive"
fi

root=$(mktemp -d "$dir/machine.XXXXXX")
# Nothing is ever mounted below it outside the namespace; --one-file-system in case that should change.
remove() { [ -n "$keep" ] || rm -rf --one-file-system "$root"; }
trap remove EXIT
[ -z "$keep" ] || echo "fresh-machine: keeping $root" >&2
chmod 755 "$root"
tar --extract --file "$archive" --directory "$root" --exclude './dev/*'
git clone --quiet --no-hardlinks "$clone_from" "$root/src"

# How this machine reaches package registries: names, authorities, proxies, mirrors. No credentials.
copy_settings() {
    local file
    for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/npmrc "$HOME/.cargo/config.toml"; do
        [ -e "$file" ] || continue
        mkdir -p "$root$(dirname "$file")"
        cp --dereference "$file" "$root$file"
    done
    mkdir -p "$root/usr/local/share/ca-certificates"
    find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$root/usr/local/share/ca-certificates/" \;
    { grep -ls '^Acquire' /etc/apt/apt.conf.d/* || true; } | xargs -r cp --target-directory "$root/etc/apt/apt.conf.d"
}
copy_settings

# Rust is the one thing that is there already; mounted read-only, without caches.
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}
cargo_bin=${CARGO_HOME:-$HOME/.cargo}/bin
mkdir -p "$root/root/.rustup" "$root/root/.cargo/bin"

settings=(HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}"
    PATH=/root/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
while IFS= read -r name; do
    settings+=("$name=${!name}")
done < <(compgen -e | grep -iE '^(https?_proxy|no_proxy|(ssl|node|pip|requests|curl|git_ssl)_.*(cert|certs|cafile|cainfo|bundle|file|dir))$')

# Runs as the first process of the new namespaces; $1 is the root, the rest the command in it.
# shellcheck disable=SC2016  # for the inner shell to expand
machine='
set -euo pipefail
root=$1 rustup_home=$2 cargo_bin=$3
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mount --bind --options ro "$rustup_home" root/.rustup
mount --bind --options ro "$cargo_bin" root/.cargo/bin
mount --types proc proc proc
mount --types sysfs sysfs sys
mount --types cgroup2 cgroup2 sys/fs/cgroup
mount --types tmpfs --options mode=755 tmpfs dev
mkdir dev/pts dev/shm
mount --types devpts --options newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
mount --types tmpfs tmpfs dev/shm
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}"; done
mknod -m 666 dev/tty c 5 0
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${n%:*}" "dev/${n#*:}"; done
mkdir .outside
pivot_root . .outside
cd /
umount --lazy /.outside
rmdir /.outside
cd /src
"$@"
'
# Not exec: something has to remain to clean up. bash stays process 1 and so reaps what the stack leaves behind.
unshare --fork --pid --mount --kill-child -- \
    env -i "${settings[@]}" bash -c "$machine" machine "$root" "$rustup_home" "$cargo_bin" "$@"
