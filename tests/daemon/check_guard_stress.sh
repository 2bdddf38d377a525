#!/bin/bash
# Many executions at once while everything around the gate fails: the node hangs, dies and comes back, mounts come and
# go, the disk is full, the gate is kept from answering. Nobody hangs, nothing unknown runs, the log says what was lost.
set -eu
# shellcheck source=tests/daemon/guard.sh
. "$LX_SRCDIR/tests/daemon/guard.sh"
many=${MANY:-1200}
mkdir "$work/bin"
for i in $(seq 40); do cp /bin/true "$work/bin/p$i"; printf '%s' "$i" >>"$work/bin/p$i"; done
expect 0 binary approve "$work/bin"
mount -t tmpfs stress "$m"
mkdir "$m/b" "$work/state"
cp "$work"/bin/* "$m/b/"; cp /bin/false "$m/evil"
# What the guard keeps lies on a disk of its own that can be full.
mount -t tmpfs -o size=512k state "$work/state"
trap 'umount -l "$work/state" 2>/dev/null || true; guard_cleanup' EXIT
conf "memory-interval = 1" "verdict-timeout = 100000"
expect 0 guard trust alice --own --conf "$work/g.conf"
gate || fail "no gate"
until_status '.entries == 40 and .mode == "enforce" and .node.subscribed'

# run_some STEP COUNT; storm COUNT WHEN: four of them at once. Every approved program runs, nothing else does.
run_some() {
        for i in $(seq "$2"); do
                "$m/b/p$(((i * $1) % 40 + 1))" || exit 1
                ! "$m/evil" 2>/dev/null || exit 2
        done
}
storm() {
        local each=$1 n p pids=
        for n in 1 3 7 9; do run_some "$n" "$each" & pids="$pids $!"; done
        for p in $pids; do wait "$p" || { tail -5 "$work/glog"; fail "$2: an approved program was denied, or an unknown one ran"; }; done
}
mounts() { for _ in $(seq 20); do mkdir -p "$m/n"; mount -t tmpfs n "$m/n"; cp "$m/b/p1" "$m/n/x"; "$m/n/x" || exit 1; umount -l "$m/n"; done; }
quarter=$((many / 16))
mounts & mounter=$!
storm "$quarter" "with the node"
kill -STOP "$pid"
storm "$quarter" "while the node hangs"
kill -CONT "$pid"
kill -9 "$pid"; wait "$pid" 2>/dev/null || true; pid=
storm "$quarter" "without the node"
wait "$mounter" || fail "an approved file on a new mount was denied"
until_status '.node.subscribed == false'
grep -q 'does not tell of blocks' "$work/glog" || fail "the loss of the node is not said"
start
until_status '.node.subscribed'

# The disk is full: the lists change all the same, and the log says what cannot be kept.
head -c 600000 /dev/zero >"$work/state/fill" 2>/dev/null || :
expect 0 login alice --secret-file "$work/secret"
cp /bin/echo "$m/more"; cp /bin/echo "$work/more"
expect 0 binary approve "$work/more"
until_status '.entries == 41'
runs "$m/more"
storm "$quarter" "with a full disk"
grep -q 'the cache cannot be written' "$work/glog" || fail "a full disk is not said"
rm "$work/state/fill"

# Kept from answering, all at once: each waits (but for those whose file is held under a lease, which are not asked
# about), and each gets the right answer.
kill -STOP "$guard"
waiting=
for i in $(seq 300); do "$m/b/p$((i % 40 + 1))" & waiting="$waiting $!"; done
"$m/evil" 2>/dev/null & evil=$!
for _ in $(seq 200); do # until the last stands before the gate, where the kernel tells
        kill -0 "$evil" || fail "an unknown program ran while the gate was stopped"
        ! grep -qs 'fanotify\|fsnotify' "/proc/$evil/stack" || break
        read -rt 0.02 <> <(:) || :
done
kill -CONT "$guard"
for p in $waiting; do wait "$p" || fail "a program that waited was denied"; done
! wait "$evil" || fail "an unknown program ran after waiting"
[ "$(g status --json | jq '.gate.overflows + .gate.timeouts')" = 0 ] || { g status --json | jq .gate; fail "overflows or timeouts"; }

# A node that hangs does not keep the guard from ending, nor from starting.
kill -STOP "$pid"
ungate
gate || fail "no start while the node hangs"
[ "$(g status --json | jq .entries)" = 40 ] || [ "$(g status --json | jq .entries)" = 41 ] || fail "the cache was not used"
! "$m/evil" 2>/dev/null || fail "unknown ran"
runs "$m/b/p1"
ungate
kill -CONT "$pid"
echo "$many executions: ok"
