#!/bin/bash
# Data directories kept from each store format: they open, are sound, hold what is known of them, and
# go on. A sample of a format that was released never changes: the code reads it or refuses it with the
# way out. Until the first release a change on purpose makes it anew: tests/samples/make-sample FILE.
set -eu
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
known() { jq -r ".$1" <"$work/known.json"; }
# is JQ VALUE ARGS...: what lx says under JQ.
is() {
        filter=$1 value=$2
        shift 2
        got=$(lx --json "$@" | jq -r "$filter" | head -1) || true
        [ "$got" = "$value" ] || fail "$sample: lx $*: $filter is $got, not $value"
}
hex() { printf '%s' "$1" | od -An -tx1 | tr -d ' \n'; }
count=0
for sample in "$LX_SRCDIR"/tests/samples/*.tar.xz; do
        count=$((count + 1))
        rm -rf "$dir" "$work/known.json"
        tar -C "$work" -xJf "$sample"
        "$build/lxnoded" --datadir "$dir" --check-db >"$work/out" 2>&1 || fail "$sample: $(cat "$work/out")"
        grep -q "height $(known height)\$" "$work/out" || fail "$sample: $(cat "$work/out")"
        start
        for f in height hash chain_id state_root; do is ".$f" "$(known $f)" status; done
        is .totals.digests "$(known digests)" status
        reg=$(known register)
        is .data "$(hex second)" register get "$reg"
        is .data "$(hex first)" register get "$reg" --height $(($(known second) - 1))
        is .fields.count 1 register get "$(known log)"
        is .target "$reg" name resolve sample-name
        is .fields.balance 42 register get "$(known account)"
        is .fields.balance 958 register get "$(known token)"
        is '.release + (.revoked | tostring)' "$(known release)true" binary lookup "$(known digest)"
        expect 0 keygen device "$work/key$count"
        expect 0 --key-file "$work/key$count" profile create
        is .height $(($(known height) + 1)) status
        stop
        "$build/lxnoded" --datadir "$dir" --check-db >"$work/out" 2>&1 || fail "$sample, gone on: $(cat "$work/out")"
done
[ "$count" -ge 1 ] || fail "no samples"
echo "$count samples"
