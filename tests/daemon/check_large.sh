#!/bin/bash
# One flipped byte in a large file is named by its page; an update of one page reads that page of the
# file and little else. MIB (default 64; make large: 1024) is the file's size.
set -eu
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
mib=${MIB:-64}
size=$((mib * 1048576))
start
expect 0 keygen device "$work/key"
expect 0 --key-file "$work/key" profile create --json
expect 0 trust set "$dir/genesis.json"
expect 0 trust publisher "$(lx --key-file "$work/key" profile show --json | jq -r .genesis)"
big=$work/big
truncate -s "$size" "$big"
chmod +x "$big"
for at in 0 $((mib / 3)) $((mib - 1)); do
        dd if=/dev/urandom of="$big" bs=1M seek="$at" count=1 conv=notrunc 2>/dev/null
done
expect 0 --key-file "$work/key" binary publish "$big"
expect 0 --key-file "$work/key" file add "$big"

# flip OFFSET: change that byte.
flip() {
        byte=$(od -An -tu1 -j "$1" -N 1 "$big")
        # shellcheck disable=SC2059 # the format is the byte
        printf "$(printf '\\%03o' $((byte ^ 1)))" | dd of="$big" bs=1 seek="$1" conv=notrunc 2>/dev/null
}
# io ARGS...: what lx with ARGS reads in all, and of the file, by the kernel's count and by strace.
io() {
        python3 - "$build/lx" --datadir "$dir" "$@" <<'PYTHON'
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], dict(os.environ), file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
print([line.split()[1] for line in open(f"/proc/{pid}/io") if line.startswith("rchar")][0])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PYTHON
}
for at in 0 4095 4096 $((size / 3 + 77)) $((size - 1)); do
        page=$((at / 4096 * 4096))
        flip "$at"
        for how in "binary verify" "file verify"; do
                # shellcheck disable=SC2086 # words on purpose
                expect 1 --key-file "$work/key" $how "$big" --json
                [ "$(jq -c .ranges <"$work/out")" = "[{\"offset\":$page,\"length\":4096}]" ] ||
                    fail "$how, byte $at: $(cat "$work/out")"
        done
        expect 1 --key-file "$work/key" file verify "$big"
        grep -q "bad bytes $page-$((page + 4095)) " "$work/out" || fail "byte $at: $(cat "$work/out")"
        read -r total < <(io --key-file "$work/key" file update "$big" --range "$at:1") || true
        [ "$total" -le 1048576 ] || fail "an update of one page read $total bytes"
        expect 0 --key-file "$work/key" file verify "$big"
        flip "$at"
        read -r total < <(io --key-file "$work/key" file update "$big" --range "$at:1") || true
done
expect 0 --key-file "$work/key" binary verify "$big"
# What is read of the file itself is the page.
flip 4096
# A traced program can't look for its own leaks.
ASAN_OPTIONS=detect_leaks=0 strace -f -y -e trace=read,pread64,readv,preadv,mmap -o "$work/trace" "$build/lx" --datadir "$dir" \
    --key-file "$work/key" file update "$big" --range 4096:1 >/dev/null
of_file=$(grep -F "<$big>" "$work/trace" | sed 's/.*= //' | awk '{ n += $1 } END { print n + 0 }')
[ "$of_file" = 4096 ] || fail "$of_file bytes of the file were read, not its page: $(grep -F "<$big>" "$work/trace")"
stop
echo "$mib MiB: the page is named; an update reads $total bytes in all, $of_file of the file"
