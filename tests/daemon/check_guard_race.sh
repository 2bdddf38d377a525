#!/bin/bash
# A writer races the gate ROUNDS times, on tmpfs and on ext4; then many processes execute at once, while marks and
# leases are recycled, mounts come and go, and the node is killed. The wrong content never runs, nobody hangs.
set -eu
# shellcheck source=tests/daemon/guard.sh
. "$LX_SRCDIR/tests/daemon/guard.sh"
rounds=${ROUNDS:-600} many=${MANY:-600}
mkdir "$work/bin"
cp /bin/true "$work/bin/good"
# Forty more approved programs, each its own content: more than the table of leases holds.
for i in $(seq 40); do cp /bin/true "$work/bin/p$i"; printf '%s' "$i" >>"$work/bin/p$i"; done
expect 0 binary approve "$work/bin"
mount -t tmpfs race "$m"
mkdir "$m/t" "$m/e"
cp "$work"/bin/* "$m/t/"; cp /bin/false "$m/t/evil"
dirs=$m/t
if truncate -s 32M "$work/img" && mkfs.ext4 -q "$work/img" && mount -o loop "$work/img" "$m/e" 2>/dev/null; then
        cp "$work/bin/good" /bin/false "$m/e/"; mv "$m/e/false" "$m/e/evil"
        dirs="$dirs $m/e"
fi
conf "reader = $build/tests/tools/guard_race" "memory-interval = 1"
expect 0 guard trust alice --own --conf "$work/g.conf"
gate || fail "no gate"
until_status '.entries == 41'

for d in $dirs; do
        "$build/tests/tools/guard_race" "$d" "$work/bin/good" "$d/evil" "$rounds" || { grep -v unknown "$work/glog" | tail -5; fail "a race on $d"; }
done

# In parallel: mounts come and go, the node dies, 16 leases for 41 programs; every approved one runs.
(for _ in $(seq 20); do mkdir -p "$m/n"; mount -t tmpfs n "$m/n"; cp "$m/t/good" "$m/n/x"; "$m/n/x" || exit 1; umount -l "$m/n"; done) &
mounter=$!
kill -9 "$pid"; wait "$pid" 2>/dev/null || true; pid=
before=$(date +%s)
for n in 1 2 3 4; do
        (for i in $(seq $((many / 4))); do "$m/t/p$(((i * n) % 40 + 1))" || exit 1; ! "$m/t/evil" 2>/dev/null || exit 2; done) &
        eval "w$n=\$!"
done
# shellcheck disable=SC2154 # made by eval
for p in "$w1" "$w2" "$w3" "$w4"; do wait "$p" || { tail -5 "$work/glog"; fail "an approved program was denied, or evil ran"; }; done
wait "$mounter" || fail "an approved file on a new mount was denied"
echo "$many executions in $(($(date +%s) - before)) s"
[ "$(g status --json | jq '.gate.overflows + .gate.timeouts')" = 0 ] || { g status --json | jq .gate; tail -5 "$work/glog"; fail "overflows or timeouts"; }
[ "$(g status --json | jq '.gate.recycled > 0')" = true ] || fail "no lease was recycled"
echo ok
