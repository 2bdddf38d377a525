#!/bin/bash
# A guard with a scope touches nothing else, by the kernel's own list of its marks and by who is alive: a file system that is
# also mounted outside the scope is never marked, and the memory pass ends nobody outside. And all within the scope
# is covered, also what a process in a chroot cannot see.
set -eu
# shellcheck source=tests/daemon/guard.sh
. "$LX_SRCDIR/tests/daemon/guard.sh"

device() { stat -c %Hd:%Ld "$1" | awk -F: '{printf "%x\n", $1 * 1048576 + $2}'; }
# marked FILE: the kernel says that the guard has a mark on its file system.
marked() { cat /proc/"$guard"/fdinfo/* 2>/dev/null | grep -v '^fanotify ino' | grep -q "sdev:$(device "$1") "; }
outside() { ! marked "$1" || gfail "marked though outside the scope: $1"; }
refused() { g status --json | jq -e --arg p "$1" '.mounts.not_covered[$p] == "mounted outside the scope too"' >/dev/null || gfail "not refused: $1"; }
trap 'umount -l "$work/both" "$work/then" "$work/reuse" 2>/dev/null || true; guard_cleanup' EXIT
code=
# code_in PROGRAM: start it; when it has executable memory without a file: its number in $code.
code_in() {
        : >"$work/here"
        "$1" >"$work/here" &
        code=$!
        until grep -q here "$work/here"; do kill -0 "$code" 2>/dev/null || gfail "$1 does not run"; done
}
until_gone() { for _ in $(seq 200); do kill -0 "$1" 2>/dev/null || return 0; read -rt 0.05 <> <(:) || :; done; gfail "still alive: $1"; }
# a_pass: one that began after now has ended somebody within the scope, so it is over for those that are older.
a_pass() { for _ in 1 2; do code_in "$m/own"; until_gone "$code"; done; }

own=$build/tests/tools/own_code
mount -t tmpfs in "$m"
mkdir "$m/both" "$m/cage" "$m/late" "$m/reuse" "$m/over" "$m/data.d" "$work/both" "$work/reuse"
mount -t tmpfs both "$work/both"
mount --bind "$work/both" "$m/both"
cp "$own" "$m/own"; cp "$own" "$work/both/own"; cp /bin/echo "$m/evil"; cp /bin/echo "$work/both/evil"; cp /bin/true "$m/good"
echo x >"$m/data"; echo x >"$m/cage/data"
expect 0 binary approve "$m/own" "$m/good"
conf "memory = kill" "memory-interval = 1" "memory-cpu = 100"
expect 0 guard trust alice --own --conf "$work/g.conf"
gate || fail "the gate did not start"
until_status '.entries == 2 and .mode == "enforce"'

# What is marked: the scope's own file system; not the root, not what is mounted outside too.
marked "$m/good" || gfail "the scope is not marked"
denied "$m/evil" x
outside /; outside "$work"; outside /proc/self/exe; outside "$work/both"
refused "$m/both"
runs "$work/both/evil"; runs "$m/both/evil"

# Afterwards: outside first, then within; covered by a guarded mount; in a namespace of its own.
mkdir "$work/then"
mount -t tmpfs then "$work/then"
mount --bind "$work/then" "$m/late"
read -r _ <"$m/data"
outside "$work/then"; refused "$m/late"
umount "$m/late"
mount --bind "$work/then" "$m/over"
mount -t tmpfs over "$m/over"
cp /bin/echo "$m/over/evil"
read -r _ <"$m/data"
denied "$m/over/evil" x
outside "$work/then"
umount "$m/over"; umount "$m/over"
unshare -m --propagation private bash -e -c "mkdir $work/own; mount -t tmpfs own $work/own; mkdir $work/own/d; mount --bind $work/own/d $m/late
        cp /bin/echo $work/own/d/evil; read -r x <$m/data; stat -c %Hd:%Ld $work/own >$work/dev; $m/late/evil ran" >"$work/said" 2>&1 ||
        gfail "marked in a namespace that has it outside the scope too: $(cat "$work/said")"

# A process in a chroot sees only what is below: what is mounted beside it, in its namespace, is guarded all the same.
unshare -m --propagation private python3 - "$m" >"$work/said" 2>&1 <<'P' || gfail "a mount beside a chroot escapes: $(cat "$work/said")"
import os, subprocess, sys, time
m = sys.argv[1]
child = os.fork()
if child == 0:
    os.chroot(m + "/cage")
    os.chdir("/")
    open("/data").read()
    time.sleep(100)
# The namespace is met by nobody else: this process opens nothing of the scope until the other one did.
while os.stat("/proc/%d/root/." % child).st_ino != os.stat(m + "/cage").st_ino:
    pass
time.sleep(0)
open("/proc/%d/root/data" % child).read()
subprocess.run(["mount", "-t", "tmpfs", "late", m + "/late"], check=True)
subprocess.run(["cp", "/bin/echo", m + "/late/evil"], check=True)
open(m + "/data").read()
try:
    status = subprocess.run([m + "/late/evil", "ran"]).returncode
except PermissionError:
    status = 77
os.kill(child, 9)
sys.exit(0 if status == 77 else 1)
P

# Memory: who has code of his own outside the scope lives, on an unmarked file system and on one of both.
code_in "$own"; foreign=$code
code_in "$work/both/own"; both=$code
a_pass
kill -0 "$foreign" || gfail "a process outside the scope was ended"
kill -0 "$both" || gfail "a process of a file system that is also outside was ended"
# The number of a file system that was guarded and is gone belongs to the next one.
mount -t tmpfs reuse "$m/reuse"
cp "$m/own" "$m/reuse/own"
read -r _ <"$m/data"
marked "$m/reuse" || gfail "a new mount is not marked"
before=$(device "$m/reuse")
umount "$m/reuse"
for _ in $(seq 50); do
        mount -t tmpfs reuse "$work/reuse"
        [ "$(device "$work/reuse")" != "$before" ] || break
done
[ "$(device "$work/reuse")" = "$before" ] || { echo "numbers of devices are not used again here"; exit 77; }
cp "$own" "$work/reuse/own"
code_in "$work/reuse/own"; reuse=$code
a_pass
kill -0 "$reuse" || gfail "a process was ended for the number of its file system"
outside "$work/reuse"
for p in "$foreign" "$both" "$reuse"; do ! g log --json --lines 500 | jq -se --argjson p "$p" 'any(.pid == $p)' >/dev/null || gfail "process $p is in the log"; done
kill "$foreign" "$both" "$reuse"
ungate
echo ok
