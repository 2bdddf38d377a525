#!/bin/bash
# Every file of a data directory, with a flipped byte, cut in half, and gone: either it did not
# matter, and every block is there, or an error names the file and the way out. Never a crash, never
# a store that silently starts anew or ends earlier. EVERY=1: also more places in each file.
set -eu
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
fill() { for i in $(seq 1 "$1"); do expect 0 --key-file "$work/key" register create --data "$i"; done; }
start
expect 0 keygen device "$work/key"
expect 0 --key-file "$work/key" profile create
cp /bin/true "$work/tool"
expect 0 --key-file "$work/key" binary publish "$work/tool"
fill 8
stop
start
fill 8
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
pid=
height=18
cp -a "$dir" "$work/sound"

# try FILE WHAT: the copy in $dir has been damaged so; what --check-db says of it.
tried=0 found=0
try() {
        got=0
        "$build/lxnoded" --datadir "$dir" --check-db >"$work/out" 2>&1 || got=$?
        tried=$((tried + 1))
        case $got in
        0) grep -q "height $height\$" "$work/out" || fail "$1, $2: $(cat "$work/out")" ;;
        1)
                found=$((found + 1))
                grep -qF "$3" "$work/out" || { [ "${1##*.}" = sst ] && grep -qF '(*.sst)' "$work/out"; } || fail "$1, $2: the file is not named: $(cat "$work/out")"
                grep -q 'restore' "$work/out" || fail "$1, $2: no way out: $(cat "$work/out")"
                ;;
        *) fail "$1, $2: status $got: $(cat "$work/out")" ;;
        esac
}
# flip FILE PART: change the byte at PART hundredths of it.
flip() {
        size=$(stat -c %s "$1")
        at=$((size * $2 / 100))
        [ "$at" -lt "$size" ] || at=$((size - 1))
        byte=$(od -An -tu1 -j "$at" -N 1 "$1")
        # shellcheck disable=SC2059 # the format is the byte
        printf "$(printf '\\%03o' $((byte ^ 90)))" | dd of="$1" bs=1 seek="$at" conv=notrunc 2>/dev/null
}
for f in $(cd "$work/sound" && find . -type f -printf '%P\n' | sort); do
        name=${f##*/}
        case $name in
        *.key | .cookie | genesis.json) continue ;;           # not the store's
        LOCK | LOG* | IDENTITY | OPTIONS-*) continue ;;       # say nothing that is needed: below
        *.log) name="lld" ;;                                  # a log that was cut off is told by height
        esac
        for what in 'flip 50' 'cut 50' gone ${EVERY:+'flip 3' 'flip 25' 'flip 75' 'flip 100' 'cut 0' 'cut 95'}; do
                case $name in [0-9a-f][0-9a-f][0-9a-f][0-9a-f]*) [ "$what" != gone ] || continue ;; esac # blobs: below
                rm -rf "$dir"
                cp -a "$work/sound" "$dir"
                # shellcheck disable=SC2086 # words on purpose
                set -- $what
                case $1 in
                flip) flip "$dir/$f" "$2" ;;
                cut) truncate -s $(($(stat -c %s "$dir/$f") * $2 / 100)) "$dir/$f" ;;
                gone) rm "$dir/$f" ;;
                esac
                try "$f" "$what" "$([ "$what" = gone ] && echo "$dir/" || echo "$name")"
        done
done
[ "$found" -ge 20 ] || fail "only $found of $tried damages were found"

# What is not needed can go, all at once.
rm -rf "$dir"
cp -a "$work/sound" "$dir"
rm -f "$dir"/LOCK "$dir"/HEIGHT "$dir"/lld/LOCK "$dir"/lld/LOG* "$dir"/lld/IDENTITY "$dir"/lld/OPTIONS-*
try "what is not needed" gone nothing
[ "$got" = 0 ] || fail "a store without LOCK, HEIGHT, LOG, IDENTITY and OPTIONS: $(cat "$work/out")"
# A manifest that is gone.
find "$dir/blob/manifest" -type f -delete
try manifest gone manifest
[ "$got" = 1 ] || fail "a missing manifest is not found"

# The node itself refuses what it meets at start, and starts nothing new.
for f in FORMAT lld/CURRENT; do
        rm -rf "$dir"
        cp -a "$work/sound" "$dir"
        rm "$dir/$f"
        got=0
        "$build/lxnoded" --dev --datadir "$dir" --rpc-listen none >"$work/out" 2>&1 || got=$?
        [ "$got" = 1 ] || fail "started without $f: $got"
        grep -q "$f.*restore" "$work/out" || fail "without $f: $(cat "$work/out")"
done
echo "$tried damages, $found of them found, the others without effect"
