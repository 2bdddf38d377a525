#!/bin/bash
# doc/tutorial.md as it stands: its commands, one after the other, in a shell that ends at the first that fails.
set -eu
[ "$(id -u)" = 0 ] || { echo "needs root, for network namespaces"; exit 77; }
[ -c /dev/net/tun ] || { echo "needs /dev/net/tun"; exit 77; }
# Mounts and processes of its own: the guard can name nobody else's. Network namespaces are named after this process.
if [ -z "${LX_OWN_PIDS-}" ]; then
        apart="unshare -m --propagation private -p -f --kill-child --mount-proc"
        $apart true 2>/dev/null && ip netns add "lxtut-probe$$" 2>/dev/null || { echo "needs namespaces"; exit 77; }
        ip netns del "lxtut-probe$$"
        work=$(mktemp -d)
        name=lxt$$
        # What is left of namespaces is taken away whatever happens inside.
        trap 'for n in $(ip netns list | cut -d" " -f1 | grep "^$name-" || true); do ip netns del "$n" || true; done; rm -rf "$work"' EXIT
        LX_OWN_PIDS=1 LX_WORK=$work LX_NAME=$name $apart timeout -k 10 400 "$BASH" "$0"
        exit
fi
src=$(readlink -f "$LX_SRCDIR")
build=$(readlink -f "${LX_BUILDDIR:-.}")
# Where the kernel gives no gate, the guard's part can't run.
sed -n '/^```sh$/,/^```$/{/^```/d;p}' "$src/doc/tutorial.md" >"$LX_WORK/commands"
[ "$(wc -l <"$LX_WORK/commands")" -gt 30 ] || { echo "FAIL: no commands in the tutorial"; exit 1; }
export BUILD=$build LAB=$LX_WORK/lab LAB_NAME=$LX_NAME T=$LX_WORK/t HOME=$LX_WORK PATH="$build:$PATH"
cd "$src"
status=0
"$BASH" -euo pipefail -c "set -x; . '$LX_WORK/commands'" >"$LX_WORK/out" 2>&1 || status=$?
if [ $status != 0 ]; then
        grep -q 'gives no fanotify gate' "$T/guard.log" 2>/dev/null && { echo "the kernel gives no fanotify gate"; overlay-lab down >/dev/null 2>&1 || true; exit 77; }
        tail -25 "$LX_WORK/out"
        tail -5 "$T/guard.log" "$LAB"/log* 2>/dev/null || true
        "$src/contrib/overlay-lab" down >/dev/null 2>&1 || true
        echo "FAIL: the tutorial ends with status $status"
        exit 1
fi
grep -q 'it runs, because it was published' "$LX_WORK/out" && grep -q '3 received' "$LX_WORK/out" || { tail -40 "$LX_WORK/out"; echo "FAIL: the tutorial did not show what it says"; exit 1; }
echo ok
