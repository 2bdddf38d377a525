#!/bin/bash
# kill -9 at random points of writing: the store opens, agrees with its headers, and has everything
# that was acknowledged. ROUNDS (default 50) rounds; SEED repeats a run.
set -eu
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
rounds=${ROUNDS:-50}
RANDOM=${SEED:-$$}
start
expect 0 keygen device "$work/key"
expect 0 --key-file "$work/key" profile create
: >"$work/acknowledged"
for round in $(seq 1 "$rounds"); do
        (
                while lx --key-file "$work/key" register create --data "r$round" --json 2>/dev/null; do :; done
        ) >>"$work/acknowledged" &
        writer=$!
        sleep "0.$(printf '%03d' $((RANDOM % 200)))" # the random point, not a wait for an event
        kill -9 "$pid"
        wait "$pid" 2>/dev/null || true
        wait "$writer" 2>/dev/null || true
        if [ $((round % 10)) = 0 ]; then
                "$build/lxnoded" --datadir "$dir" --check-db >/dev/null || fail "round $round: check-db"
        fi
        start
done
jq -r .address <"$work/acknowledged" | sort >"$work/must"
lx --key-file "$work/key" register list --standard raw --json | jq -r .address | sort >"$work/is"
[ -s "$work/must" ] || fail "nothing was ever acknowledged"
lost=$(comm -23 "$work/must" "$work/is" | wc -l)
[ "$lost" = 0 ] || fail "$lost acknowledged registers are lost"
stop
"$build/lxnoded" --datadir "$dir" --check-db >/dev/null || fail "check-db at the end"
echo "$rounds rounds, $(wc -l <"$work/must") acknowledged, none lost"
