#!/bin/bash
# kill -9 at random points of writing: the store opens, agrees with its headers, and has everything
# that was acknowledged. ROUNDS (default 50) rounds; SEED repeats a run.
set -eu
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
rounds=${ROUNDS:-50}
seed=${SEED:-$$}
RANDOM=$seed
start
for k in one two; do
        expect 0 keygen device "$work/$k"
        expect 0 --key-file "$work/$k" profile create
done
: >"$work/one.said"
: >"$work/two.said"
# write_on KEY: registers, and now and then a release with its blobs, until the node is gone.
write_on() {
        n=0
        while :; do
                n=$((n + 1))
                if [ $((n % 4)) = 0 ]; then
                        head -c $((RANDOM % 30000)) /dev/urandom >"$work/$1.tool"
                        chmod +x "$work/$1.tool"
                        lx --key-file "$work/$1" binary publish "$work/$1.tool" --json 2>/dev/null || return 0
                else
                        lx --key-file "$work/$1" register create --data "r$n" --json 2>/dev/null || return 0
                fi
        done
}
acknowledged=0
for round in $(seq 1 "$rounds"); do
        write_on one >>"$work/one.said" &
        one=$!
        write_on two >>"$work/two.said" &
        two=$!
        sleep "0.$(printf '%03d' $((RANDOM % 200)))" # the random point, not a wait for an event
        kill -9 "$pid"
        wait "$pid" 2>/dev/null || true
        wait "$one" "$two" 2>/dev/null || true
        if [ $((round % (rounds > 50 ? 20 : 5))) = 0 ]; then
                "$build/lxnoded" --datadir "$dir" --check-db >"$work/check" 2>&1 ||
                    fail "SEED=$seed round $round: check-db: $(cat "$work/check")"
        fi
        start
        acknowledged=$(cat "$work/one.said" "$work/two.said" | jq -s 'map(.height) | max // 0')
        height=$(lx status --json | jq .height)
        [ "$height" -ge "$acknowledged" ] ||
            fail "SEED=$seed round $round: height $height, but $acknowledged was acknowledged"
done
for k in one two; do
        jq -r '.address // .release' <"$work/$k.said" | sort >"$work/must"
        { lx --key-file "$work/$k" register list --standard raw --json
          lx --key-file "$work/$k" register list --standard release --json; } | jq -r .address | sort >"$work/is"
        [ -s "$work/must" ] || fail "nothing was ever acknowledged"
        lost=$(comm -23 "$work/must" "$work/is" | wc -l)
        [ "$lost" = 0 ] || fail "SEED=$seed: $lost acknowledged registers of $k are lost"
done
stop
"$build/lxnoded" --datadir "$dir" --check-db >/dev/null || fail "SEED=$seed: check-db at the end"
echo "$rounds rounds, $(cat "$work/one.said" "$work/two.said" | wc -l) acknowledged, none lost, height $acknowledged"
