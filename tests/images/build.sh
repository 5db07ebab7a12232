#!/bin/sh
# Builds stand-ins for the official images where no image registry can be reached: real ZooKeeper,
# Kafka and Mosquitto from Maven Central and Debian, in the official images' layout.
#
#   tests/images/build.sh [CACHE_DIR]
#
# CACHE_DIR (default: ${XDG_CACHE_HOME:-~/.cache}/sosstack-test) keeps what was downloaded. Talks to the
# daemon of DOCKER_HOST. Does nothing when the images of this very recipe exist.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/sosstack-test}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
targets="zookeeper:3.9.4 kafka:3.9.2 mosquitto:2.0.11"
suite=bookworm
packages=openjdk-17-jre-headless,mosquitto,mosquitto-clients,netcat-openbsd

say() { echo "images: $1" >&2; }
fail() {
    say "$1"
    exit 1
}

# First 12 digits of the digest of what comes in.
digest() { sha256sum | cut -c1-12; }

install_missing() {
    command -v "$1" >/dev/null && return 0
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "$1 is missing: apt-get install $2"
    say "installing $2"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2"; } >&2 ||
        fail "apt-get could not install $2"
}

# Debian with Java and Mosquitto as a root file system. man1 must exist for the JRE's set-up.
build_base() {
    tar=$cache/base-$base_digest.tar
    if [ ! -s "$tar" ]; then
        install_missing mmdebstrap mmdebstrap
        say "building the base from Debian packages (a minute or two)"
        mmdebstrap --quiet --variant=minbase \
            --include="$packages" \
            --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
            --essential-hook='mkdir -p "$1/usr/share/man/man1"' \
            --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/usr/share/man/*' \
            "$suite" "$tar.part.tar" >&2 || fail "mmdebstrap failed: are Debian's mirrors reachable?"
        mv "$tar.part.tar" "$tar"
    fi
    docker import "$tar" "sosstack-test/base:$base_digest" >/dev/null || fail "docker import failed"
}

# $1: Maven profile and name of the directory.
fetch_jars() {
    [ ! -e "$context/$1/.complete" ] || return 0
    install_missing mvn maven
    say "fetching $1's jars"
    rm -rf "${context:?}/$1"
    mvn --batch-mode --quiet --file "$here/pom.xml" --activate-profiles "$1" \
        dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$context/$1" >&2 ||
        fail "Maven could not fetch $1's jars: is Maven Central, or the mirror in settings.xml, reachable?"
    touch "$context/$1/.complete"
}

command -v docker >/dev/null || fail "the docker command is missing: apt-get install docker.io"
docker version --format '{{.Server.Version}}' >/dev/null || fail "no Docker daemon answers: see scripts/docker-daemon"

recipe=$(cat "$here/build.sh" "$here/Dockerfile" "$here/pom.xml" "$here/logback.xml" "$here"/bin/* | digest)
missing=
for target in $targets; do
    found=$(docker image inspect --format '{{index .Config.Labels "sosstack-test.recipe"}}' "sosstack-test/$target" 2>/dev/null || true)
    [ "$found" = "$recipe" ] || missing="$missing $target"
done
[ -n "$missing" ] || exit 0

base_digest=$(echo "$suite $packages" | digest)
docker image inspect "sosstack-test/base:$base_digest" >/dev/null 2>&1 || build_base

context=$cache/context-$(digest <"$here/pom.xml")
mkdir -p "$context"
fetch_jars kafka
fetch_jars zookeeper
cp -r "$here/logback.xml" "$here/bin" "$context/"
printf '**/.complete\n' >"$context/.dockerignore"

for target in $missing; do
    say "building sosstack-test/$target"
    # The old builder: it needs no plug-in and pulls no front end.
    DOCKER_BUILDKIT=0 docker build --quiet --file "$here/Dockerfile" --target "${target%%:*}" \
        --build-arg "BASE=sosstack-test/base:$base_digest" --label "sosstack-test.recipe=$recipe" \
        --tag "sosstack-test/$target" "$context" >/dev/null || fail "docker build of $target failed"
done
