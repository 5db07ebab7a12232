#!/usr/bin/env bash
# Puts the built binary on PATH.
#
#   scripts/install.sh BINARY DIR
set -euo pipefail

binary=$1
dir=$2
mkdir -p "$dir"
if ! cmp -s "$binary" "$dir/sosstack"; then
    # Beside it and renamed: a sosstack that runs just now keeps its file.
    cp "$binary" "$dir/.sosstack.$$"
    chmod 755 "$dir/.sosstack.$$"
    mv -f "$dir/.sosstack.$$" "$dir/sosstack"
fi
case ":$PATH:" in
*":$dir:"*) ;;
*) echo "$dir is not on your PATH; add it: export PATH=\"$dir:\$PATH\"" >&2 ;;
esac
found=$(command -v sosstack || true)
if [ -n "$found" ] && ! [ "$found" -ef "$dir/sosstack" ]; then
    echo "$found comes before $dir/sosstack on your PATH: remove it, or it is the one that runs" >&2
fi
