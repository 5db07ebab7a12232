#!/usr/bin/env bash
# Draws README's picture from a real run: `sosstack up --bridge`, then `sosstack tail` while devices publish.
#
#   scripts/recording.sh [FILE]     # default: docs/images/up-and-tail.svg
#
# SOSSTACK names the binary (default: the one on PATH), SOSSTACK_RUNTIME the runtime. The stack has a data directory of
# its own and the ports of the default stack, which must be free; it is removed at the end. Needs Python 3.
set -euo pipefail
cd "$(dirname "$0")/.."

file=$(realpath -m "${1:-docs/images/up-and-tail.svg}")
sosstack=$(realpath "$(command -v "${SOSSTACK:-sosstack}")")
export XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache}
work=$(mktemp -d)
export XDG_DATA_HOME=$work/data TZ=UTC LANG=C.UTF-8
mkdir "$work/bin"
ln -s "$sosstack" "$work/bin/sosstack"
export PATH=$work/bin:$PATH

remove() {
    sosstack down --volumes --yes --quiet || true
    rm -r "$work"
}
trap remove EXIT
cd "$work"
python3 "$OLDPWD/scripts/lib/recording.py" "$file"
