#!/bin/bash
# tests/vm/run itself: output and exit status come back, the tree is whole and written to without harm, files come
# out, disks are there, a machine that never ends is switched off.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
mkdir "$work/out"
truncate -s 8M "$work/disk"
mkfs.ext4 -q -L there "$work/disk"
status=0
# shellcheck disable=SC2016 # for the shell inside
"$here/run" --disk "$work/disk" --out "$work/out" --timeout 300 --append mark=7 -- \
    sh -c 'echo "two  words"; echo err >&2; echo changed >/etc/hostname; grep -o mark=7 /proc/cmdline; mount /dev/vda /mnt
echo kept >/mnt/file; umount /mnt; echo out >$VM_OUT/result; exit 3' >"$work/said" 2>&1 || status=$?
[ "$status" != 77 ] || exit 77
[ "$status" = 3 ] || { cat "$work/said"; fail "exit status $status, not 3"; }
printf 'two  words\nerr\nmark=7\n' | cmp - "$work/said" || fail "what it said: $(cat "$work/said")"
[ "$(cat "$work/out/result")" = out ] || fail "no file came out"
! grep -q changed /etc/hostname || fail "the tree outside was written to"
debugfs -R 'cat /file' "$work/disk" 2>/dev/null | grep -q kept || fail "the disk was not written"
status=0
"$here/run" --timeout 40 -- sleep 100 >"$work/said" 2>&1 || status=$?
[ "$status" = 124 ] || fail "a machine that hangs: exit status $status, not 124"
echo ok
