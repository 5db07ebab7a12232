#!/bin/sh
# Builds stand-ins for the official images where no image registry can be reached: real ZooKeeper,
# Kafka and Mosquitto from Maven Central and Debian, in the official images' layout. Two Mosquittos: of the
# line that stacks have by default, and of the one that keeps messages in SQLite.
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
targets="zookeeper:3.9.4 kafka:3.9.2 mosquitto:2.0.21 mosquitto:2.1.2"
java_packages=openjdk-17-jre-headless,netcat-openbsd
mosquitto_packages=mosquitto,mosquitto-clients,netcat-openbsd

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

# The suite that has what a target needs.
suite_of() {
    case $1 in
    mosquitto:2.1.*) echo sid ;;
    mosquitto:*) echo trixie ;;
    *) echo bookworm ;;
    esac
}

packages_of() {
    case $1 in
    mosquitto:*) echo "$mosquitto_packages" ;;
    *) echo "$java_packages" ;;
    esac
}

base_of() { echo "sosstack-test/base:$(echo "$(suite_of "$1") $(packages_of "$1")" | digest)"; }

# A one-line source of suite $1 at the mirror that this machine's own packages come from; nothing on other systems,
# where mmdebstrap knows one.
source_of() {
    apt-get indextargets --format '$(SITE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
        awk -v suite="$1" '$1 ~ /\/debian\/?$/ && $2 == "main" { print "deb", $1, suite, "main"; exit }'
}

# Makes the base image of target $1, unless it is there: Debian's packages as a root file system.
ensure_base() {
    base=$(base_of "$1")
    if docker image inspect "$base" >/dev/null 2>&1; then return; fi
    tar=$cache/base-${base##*:}.tar
    [ -s "$tar" ] || bootstrap "$(suite_of "$1")" "$(packages_of "$1")" "$tar"
    docker import "$tar" "$base" >/dev/null || fail "docker import failed"
}

# Suite $1 with packages $2 into tar $3. man1 must exist for the JRE's set-up.
bootstrap() {
    install_missing mmdebstrap mmdebstrap
    say "fetching $2 from Debian's $1 (a minute)"
    source=$(source_of "$1")
    # A mirror's copy of sid may be older than sid's own week of validity.
    mmdebstrap --quiet --variant=minbase --include="$2" --aptopt='Acquire::Check-Valid-Until "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --essential-hook='mkdir -p "$1/usr/share/man/man1"' \
        --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/usr/share/man/*' \
        "$1" "$3.part.tar" ${source:+"$source"} >&2 || fail "mmdebstrap failed: are Debian's mirrors reachable?"
    mv "$3.part.tar" "$3"
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

recipe=$(cat "$here/build.sh" "$here"/*Dockerfile "$here/pom.xml" "$here/logback.xml" "$here"/bin/* | digest)
missing=
for target in $targets; do
    found=$(docker image inspect --format '{{index .Config.Labels "sosstack-test.recipe"}}' "sosstack-test/$target" 2>/dev/null || true)
    [ "$found" = "$recipe" ] || missing="$missing $target"
done
[ -n "$missing" ] || exit 0

context=$cache/context-$(digest <"$here/pom.xml")
mkdir -p "$context"
fetch_jars kafka
fetch_jars zookeeper
cp -r "$here/logback.xml" "$here/bin" "$context/"
printf '**/.complete\n' >"$context/.dockerignore"

for target in $missing; do
    ensure_base "$target"
    say "building sosstack-test/$target"
    case $target in
    mosquitto:*) file=$here/mosquitto.Dockerfile ;;
    *) file=$here/Dockerfile ;;
    esac
    # The old builder: it needs no plug-in and pulls no front end.
    DOCKER_BUILDKIT=0 docker build --quiet --file "$file" --target "${target%%:*}" \
        --build-arg "BASE=$(base_of "$target")" --label "sosstack-test.recipe=$recipe" \
        --tag "sosstack-test/$target" "$context" >/dev/null || fail "docker build of $target failed"
done
# Debian's suites move on.
for target in $missing; do
    case $target in
    mosquitto:*)
        found=$(docker run --rm --entrypoint mosquitto "sosstack-test/$target" -h 2>/dev/null | sed -n 's/^mosquitto version //p')
        [ "$found" = "${target##*:}" ] || say "sosstack-test/$target holds Mosquitto $found: $(suite_of "$target") has moved on"
        ;;
    esac
done
