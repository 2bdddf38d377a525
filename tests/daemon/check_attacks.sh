#!/bin/bash
# contrib/attack-lab in enforce: with fanotify alone these are stopped, approved programs still run.
set -eu
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
unshare -m true 2>/dev/null || { echo "needs mount namespaces"; exit 77; }
out=$(mktemp)
trap 'rm -f "$out"' EXIT
"$LX_SRCDIR/contrib/attack-lab" --build "$LX_BUILDDIR" --enforce --json >"$out" || {
        [ $? != 77 ] || exit 77
        cat "$out"; exit 1
}
jq -r '.attacks | to_entries[] | "\(.value.enforce)\t\(.key)"' <"$out"
# What lives in memory is found or not by a pass in time; a static program in a memfd is nobody's to stop.
bad=$(jq -r '.attacks | to_entries[] | select(.value.enforce == "open" and (.key | test("memfd, static") | not)) | .key' <"$out")
[ -z "$bad" ] || { echo "FAIL: ran and was not found: $bad"; jq . <"$out" | tail -60; exit 1; }
[ "$(jq .stopped <"$out")" -ge 30 ] || { echo "FAIL: fewer than 30 kinds are stopped"; exit 1; }
echo ok
