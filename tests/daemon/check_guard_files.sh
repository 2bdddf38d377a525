#!/bin/bash
# Protected files: what is changed, new or missing below a directory is told with its pages, put back from the node or
# denied until it is confirmed. In audit it is only told.
set -eu
# shellcheck source=tests/daemon/guard.sh
. "$LX_SRCDIR/tests/daemon/guard.sh"

mount -t tmpfs guard-files "$m"
p=$m/p
mkdir -p "$p/sub" "$m/else"
head -c 20000 /dev/urandom >"$p/data"; printf 'a=1\n' >"$p/conf"; : >"$p/empty"; printf 'deep\n' >"$p/sub/deep"
printf 'plain\n' >"$m/else/plain"
cp "$p/data" "$work/data"
chmod 640 "$p/conf"
expect 0 file add --keep "$p"
conf "protect = $p/" "protect-interval = 2" "reader = $build/lx" "reader = $build/.libs/lx" "reader = $(readlink -f "$(command -v cmp)")"
sed -i '/^protect-interval/d; s/^mode = .*/mode = audit/' "$work/g.conf"
expect 0 guard trust alice --own --conf "$work/g.conf"
# Without the right to leave the time of others' files alone, as in the unit: they are read all the same.
chown 1234 "$p/empty"
wrap="setpriv --bounding-set -fowner" gate || fail "the gate did not start"
until_status '.protected.registers == 4 and .protected.passes > 0'
! grep -q 'cannot be read' "$work/glog" || gfail "a file of somebody else's is not read"
nothing() { [ "$(g status --json | jq -c '[.protected.changed, .protected.new, .protected.missing, .protected.directories]')" = '[0,0,0,2]' ] || gfail "alarms though nothing changed: $(g status --json | jq -c .protected)"; }
nothing
ungate
gate || fail "the gate did not start again"
until_status '.protected.registers == 4 and .protected.passes > 0'
nothing

# told PATH RULE DETAIL: the log has it.
told() {
        for _ in $(seq 200); do
                ! g log --json --lines 500 | jq -se --arg p "$1" --arg r "$2" --arg d "$3" 'any(.path == $p and .rule == $r and (.detail | test($d)))' >/dev/null || return 0
                read -rt 0.05 <> <(:) || :
        done
        g log --json --lines 500 | tail -5
        gfail "never told: $*"
}
counts() { until_status "[.protected.changed, .protected.new, .protected.missing] == $1"; }

# Audit: by page, at close; new, missing, renamed over, linked, made in a new directory; right again.
printf X | dd of="$p/data" bs=1 seek=5000 conv=notrunc 2>/dev/null
told "$p/data" protected-changed '^pages 1; logged'
printf X >>"$p/data"
told "$p/data" protected-changed '^20001 bytes, registered are 20000; pages 1,4; logged'
counts '[1,0,0]'
cat "$work/data" >"$p/data"
told "$p/data" file-good 'as registered again'
counts '[0,0,0]'
printf 'new\n' >"$p/new"; told "$p/new" protected-new logged
rm "$p/new"; told "$p/new" file-good "gone again"
mv "$p/sub/deep" "$m/else/"; told "$p/sub/deep" protected-missing logged
mv "$m/else/deep" "$p/sub/deep"; counts '[0,0,0]'
cp "$p/conf" "$work/conf"
printf 'a=2\n' >"$m/else/x"; mv "$m/else/x" "$p/conf"; told "$p/conf" protected-changed 'pages 0'
cp "$work/conf" "$p/conf"; chmod 640 "$p/conf"
ln "$m/else/plain" "$p/link"; told "$p/link" protected-new logged
rm "$p/link"
mkdir -p "$p/more/yet"; printf 'x\n' >"$p/more/yet/f"; told "$p/more/yet/f" protected-new logged
mv "$p/more" "$m/else/more"; counts '[0,0,0]'
printf 'y\n' >"$m/else/more/yet/f"            # nobody's any more
mv "$p/sub" "$m/else/sub"; told "$p/sub/deep" protected-missing logged
mv "$m/else/sub" "$p/sub"; counts '[0,0,0]'
[ "$(g log --json --lines 500 | jq -s --arg p "$m/else" '[.[] | select(.path | startswith($p))] | length')" = 0 ] || gfail "files elsewhere are told of"
# Through another name outside: no event tells; the next look at all does.
ln "$p/data" "$m/else/alias"
printf X | dd of="$m/else/alias" bs=1 seek=9000 conv=notrunc 2>/dev/null
echo "protect-interval = 1" >>"$work/g.conf"; kill -HUP "$guard"
told "$p/data" protected-changed '^pages 2; logged'
rm "$m/else/alias"

# Enforce, restore: what waited is put back, with owner and mode; then each change is.
sed -i 's/^mode = .*/mode = enforce/; /^protect-interval/d' "$work/g.conf"
echo "protect-action = restore" >>"$work/g.conf"
chown 1234:1235 "$p/conf"
kill -HUP "$guard"
until_status '.mode == "enforce" and .protected.action == "restore"'
same() { for _ in $(seq 200); do ! cmp -s "$1" "$2" || return 0; read -rt 0.05 <> <(:) || :; done; gfail "not put back: $2"; }
same "$work/data" "$p/data"
printf 'a=3 and more\n' >"$p/conf"
told "$p/conf" protected-changed 'put back'
same "$work/conf" "$p/conf"
[ "$(stat -c %u:%g:%a "$p/conf")" = 1234:1235:640 ] || gfail "owner or mode were lost: $(stat -c %u:%g:%a "$p/conf")"
rm "$p/data"; same "$work/data" "$p/data"
ln -sf "$m/else/plain" "$p/data"; same "$work/data" "$p/data"
[ ! -L "$p/data" ] || gfail "a link was left"
printf 'x' >"$p/empty"; same /dev/null "$p/empty"
printf 'evil\n' >"$p/added"; told "$p/added" protected-new denied
denied cat "$p/added"
[ "$(g status --json | jq -c '.protected.restored >= 5')" = true ] || gfail "not counted"
# What the register is to be comes first, the file follows.
printf 'a=4\n' >"$work/next"
expect 0 file update "$p/conf" --from "$work/next" --keep
same "$work/next" "$p/conf"
# Somebody who insists is not fought for ever.
for i in $(seq 100); do
        printf 'again %s\n' "$i" 2>/dev/null >"$p/conf" || break
        for _ in $(seq 100); do ! cmp -s "$work/next" "$p/conf" || break; read -rt 0.02 <> <(:) || :; done
done
told "$p/conf" protected-changed 'denied: put back 10 times within a minute'
denied cat "$p/conf"

# Deny: until it is confirmed, or as it was.
sed -i 's/^protect-action = .*/protect-action = deny/' "$work/g.conf"
kill -HUP "$guard"
until_status '.protected.action == "deny"'
cp "$work/next" "$work/t" && mv "$work/t" "$p/conf"
counts '[0,1,0]'
runs cat "$p/conf"
printf X | dd of="$p/data" bs=1 seek=12288 conv=notrunc 2>/dev/null
told "$p/data" protected-changed 'pages 3; denied'
denied cat "$p/data"
denied cp "$p/data" "$work/x"
! printf Y 2>/dev/null >>"$p/data" || gfail "it can be written"
runs cmp "$p/data" "$p/data"                   # a reader
g log --json --lines 500 | jq -se 'any(.rule == "protected" and .verdict == "denied")' >/dev/null || gfail "a denial is not in the log"
expect 0 file update "$p/data" --keep
counts '[0,1,0]'
runs cat "$p/data"
expect 0 file add --keep "$p/added"
for _ in $(seq 200); do ! cat "$p/added" >/dev/null 2>&1 || break; read -rt 0.05 <> <(:) || :; done
runs cat "$p/added"
counts '[0,0,0]'
# A kept content that was lost: it says so, and denies.
rm -rf "$dir/blob/content"
sed -i 's/^protect-action = .*/protect-action = restore/' "$work/g.conf"
kill -HUP "$guard"
until_status '.protected.action == "restore"'
printf 'zzz\n' >"$p/sub/deep"
told "$p/sub/deep" protected-changed 'denied: '
denied cat "$p/sub/deep"
# The guard's end takes it all back.
ungate
runs cat "$p/sub/deep"

# Without the node: changes made while the guard was away are found at its start, by the cache.
expect 0 logout
stop
sed -i 's/^mode = .*/mode = audit/' "$work/g.conf"
gate || fail "no start without the node"
told "$p/sub/deep" protected-changed logged
ungate
echo ok
