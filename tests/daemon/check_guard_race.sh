#!/bin/bash
# A writer races the gate ROUNDS times, on tmpfs and on ext4; then many processes execute at once, while marks and
# leases are recycled, mounts come and go, and the node is killed. The wrong content never runs, nobody hangs.
set -eu
if [ -z "${LX_GUARD_INSIDE:-}" ]; then
        [ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
        unshare -m true 2>/dev/null || { echo "needs mount namespaces"; exit 77; }
        LX_GUARD_INSIDE=1 exec unshare -m --propagation private timeout -k 5 "${LIMIT:-200}" "$0" "$@"
fi
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
rounds=${ROUNDS:-600} many=${MANY:-600}
guard=
m=$work/m
guard_cleanup() { [ -z "$guard" ] || kill -9 "$guard" 2>/dev/null || true; umount -R -l "$m" 2>/dev/null || true; cleanup; }
trap guard_cleanup EXIT
g() { "$build/lx" guard "$@" --conf "$work/g.conf"; }

printf 'brittle moose 41 lantern ocean\n830172\n' >"$work/secret"
chmod 600 "$work/secret"
start
expect 0 profile create alice --secret-file "$work/secret" --kdf-memory 64
expect 0 login alice --secret-file "$work/secret"
expect 0 trust set "$dir/genesis.json"
mkdir "$m" "$work/bin"
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
cat >"$work/g.conf" <<C
mode = enforce
trust = $work/pin.json
node = $dir/lxnoded.sock
state-dir = $work/state
socket = $work/g.sock
scope-mount = $m
reader = $build/tests/tools/guard_race
leases = 16
memory-interval = 1
C
expect 0 guard trust alice --own --conf "$work/g.conf"
"$build/lxguard" --conf "$work/g.conf" --stop-after "${LIMIT:-190}" 2>"$work/glog" &
guard=$!
until [ "$(g status --json 2>/dev/null | jq .entries)" = 41 ]; do
        kill -0 "$guard" || { cat "$work/glog"; ! grep -q "gives no fanotify gate" "$work/glog" || exit 77; fail "no gate"; }
done

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
