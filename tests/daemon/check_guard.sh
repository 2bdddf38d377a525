#!/bin/bash
# lxguard over a file system of its own, in namespaces of its own: what runs, what does not, what
# survives the node, a restart, a damaged cache.
set -eu
# shellcheck source=tests/daemon/guard.sh
. "$LX_SRCDIR/tests/daemon/guard.sh"
expect 0 trust publisher alice

mount -t tmpfs guard-test "$m"
cp /bin/true "$m/good"; cp /bin/echo "$m/evil"; cp /bin/cat "$m/later"
lib=$(ldconfig -p | awk '/libz.so.1 /{print $NF; exit}')
[ -n "$lib" ] || lib=$(ldconfig -p | awk '/libcrypto.so.3 /{print $NF; exit}')
cp "$lib" "$m/libgood.so"; cp "$lib" "$m/libevil.so"; printf x >>"$m/libevil.so"
printf '#!/bin/sh\nexit 0\n' >"$m/good.sh"; printf '#!/bin/sh\nexit 0 # evil\n' >"$m/evil.sh"
chmod +x "$m"/*.sh
expect 0 binary publish --release tools "$m/good" "$m/libgood.so" "$m/good.sh"
conf "interpreter = $(readlink -f /bin/sh) inline=c suffix=.lib" "interpreter = $(readlink -f /bin/bash)" \
        "reader = $(readlink -f /bin/cp)" "reader = $build/lx" "reader = $(readlink -f "$(command -v sha256sum)")" \
        "panic-anywhere = yes"
expect 0 guard trust alice --conf "$work/g.conf"
"$build/lxguard" --conf "$work/g.conf" --check-config || fail "check-config"

# No lists yet: nothing runs until the node was heard; then what was published does.
gate || fail "the gate did not start"
until_status '.entries == 3'
[ "$(jq -r .mode <<<"$(g status --json)")" = enforce ] || gfail "not enforcing"
runs "$m/good"
denied "$m/evil" x
runs "$m/good.sh"
denied "$m/evil.sh"
runs cat "$m/libgood.so"
denied cat "$m/libevil.so"
runs cp "$m/libevil.so" "$work/copy"           # a reader may read it as data ...
LD_PRELOAD=$m/libevil.so cp "$m/good.sh" "$work/copy" 2>"$work/said"  # ... but not load it
grep -qi 'cannot be preloaded' "$work/said" || gfail "a reader was made to load it"
denied sh "$m/evil.sh"
runs sh "$m/good.sh"
ln -s evil.sh "$m/link"; denied sh "$m/link"
ln "$m/evil" "$m/hard"; denied "$m/hard"
mv "$m/hard" "$m/good2"; denied "$m/good2"
mv "$m/good2" "$m/evil2"
echo : >"$m/data"
! sh -c ". $m/data" 2>/dev/null || gfail "program text in an argument runs"
! sh -c "read -r x <$m/data" 2>/dev/null || gfail "program text in an argument runs"
g why "$m/good" >"$work/out" || gfail "why good"
grep -q 'release    tools' "$work/out" || gfail "why does not name the release"
! g why "$m/evil" >/dev/null || gfail "why evil"
g log --json --lines 500 >"$work/out"
[ "$(jq 'select(.verdict == "denied" and .rule == "unknown" and (.digest | length) == 64)' <"$work/out" | wc -c)" -gt 0 ] ||
        { cat "$work/out"; gfail "denials are not in the log"; }

# The node hears how its guard is doing, within a second of a denial.
told() { lx --json rpc guard.status | jq '.guard.mode == "enforce" and .guard.denied > 0 and .guard.entries == 3 and
        (.guard.findings | map(select(.verdict == "denied")) | length > 0)'; }
for _ in $(seq 200); do [ "$(told)" != true ] || break; read -rt 0.05 <> <(:) || :; done
[ "$(told)" = true ] || gfail "the node knows nothing of its guard: $(lx --json rpc guard.status)"

# Writers: what was approved and is written is judged again; a writer is never blocked for good.
[ "$(g status --json | jq .gate.leases)" -gt 0 ] || gfail "no leases are held"
cp "$m/good" "$work/saved"
printf x >>"$m/good"
denied "$m/good"
cp "$work/saved" "$m/good"
runs "$m/good"
python3 - "$m/good" <<'P' || gfail "an approved file runs while somebody can write it"
import os, subprocess, sys
fd = os.open(sys.argv[1], os.O_RDWR)
try: subprocess.run([sys.argv[1]], check=True); sys.exit(1)
except OSError: pass
os.close(fd)
P
python3 - "$m/good" <<'P' || gfail "a shared mapping made before can change what runs"
import mmap, os, subprocess, sys
fd = os.open(sys.argv[1], os.O_RDWR); mm = mmap.mmap(fd, 0); os.close(fd)
try: subprocess.run([sys.argv[1]], check=True); sys.exit(1)
except OSError: pass
mm.close()
P
runs "$m/good"
[ "$(g status --json | jq .gate.breaks)" -gt 0 ] || gfail "no lease was ever broken"

# Other ways to the same file system, and new ones.
mkdir "$m/b" "$m/t" "$m/o" "$work/up"
mount --bind "$m" "$m/b"
denied "$m/b/evil"; runs "$m/b/good"
mount -t tmpfs new "$m/t"
cp "$work/saved" "$m/t/good"; cp /bin/echo "$m/t/evil"
[ -e "$m/data" ] && read -r _ <"$m/data"       # as every program does that starts on a guarded machine
denied "$m/t/evil"; runs "$m/t/good"
mkdir "$m/t/lower" "$m/t/upper" "$m/t/work"; cp /bin/echo "$m/t/lower/evil"; cp "$work/saved" "$m/t/lower/good"
if mount -t overlay o -o "lowerdir=$m/t/lower,upperdir=$m/t/upper,workdir=$m/t/work" "$m/o" 2>/dev/null; then
        read -r _ <"$m/data"
        denied "$m/o/evil"; runs "$m/o/good"
fi
# A namespace of its own, and a mount in it. On a whole machine each of these programs opens files of a guarded
# file system when it starts (ld.so.cache); here the shell opens one in their place.
unshare -m bash -e -c "read -r x <$m/data; mount -t tmpfs n $m/t; cp /bin/echo $m/t/evil; read -r x <$m/data
        ! $m/t/evil ran" >"$work/said" 2>&1 || gfail "a new mount namespace escapes: $(cat "$work/said")"

# The ledger: an approval and a revocation act within a block; then the node goes, and nothing changes.
denied "$m/later" /dev/null
before=$(g status --json | jq .entries)
until_status '.node.subscribed'                # from here on the node tells: it is asked every 30 s only
cp /bin/sleep "$m/stay"
expect 0 binary publish --release more "$m/later" "$m/stay"
until_status ".entries == $before + 2"
runs "$m/later" /dev/null
"$m/stay" 100 & stay=$!
until [ "$(readlink /proc/$stay/exe)" = "$m/stay" ]; do kill -0 $stay; done
expect 0 --yes binary revoke "$(sha256sum "$m/stay" | cut -d' ' -f1)"
for _ in $(seq 200); do ! g log --json --lines 500 | jq -se --argjson p "$stay" 'any(.pid == $p and .rule == "revoked" and .verdict == "alert")' >/dev/null || break; read -rt 0.05 <> <(:) || :; done
g log --json --lines 500 | jq -se --argjson p "$stay" 'any(.pid == $p and .rule == "revoked" and .verdict == "alert" and .detail == "still running")' >/dev/null ||
        gfail "a running instance of what was revoked is not reported"
denied "$m/stay" 1
kill "$stay"; wait "$stay" 2>/dev/null || true
expect 0 --yes binary revoke "$(sha256sum "$m/later" | cut -d' ' -f1)"
for _ in $(seq 100); do "$m/later" /dev/null 2>/dev/null || break; read -rt 0.05 <> <(:) || :; done
denied "$m/later" /dev/null

# Evidence: what was denied, in a register of the machine's own chain.
expect 0 keygen device "$work/device.key"
expect 0 --key-file "$work/device.key" profile create --json
device=$(jq -r .genesis <"$work/out")
expect 0 --key-file "$work/device.key" register create --kind append --json
evidence=$(jq -r .address <"$work/out")
export LX="$build/lx" LX_OPTIONS="--datadir $dir" LXGUARD_CONF="$work/g.conf" LXGUARD_STATE="$work/sent" LXGUARD_KEY="$work/device.key"
"$LX_SRCDIR/contrib/lxguard-evidence" "$evidence" "$work/device.key" --once || gfail "evidence"
rpc "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"register.entry\",\"params\":{\"address\":\"$evidence\",\"index\":0}}" >"$work/out"
jq -r .result.entry <"$work/out" | xxd -r -p | grep -q '"verdict":"denied"' || gfail "no evidence in the register: $(cat "$work/out")"
entries=$(jq .result.count <"$work/out")
"$LX_SRCDIR/contrib/lxguard-evidence" "$evidence" "$work/device.key" --once || gfail "evidence, again"
rpc "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"register.entry\",\"params\":{\"address\":\"$evidence\",\"index\":0}}" >"$work/out"
[ "$(jq .result.count <"$work/out")" = "$entries" ] || gfail "evidence was sent twice"

# Packages: what apt's lists vouch for is approved by the device key before it is unpacked; nothing else.
expect 0 guard trust "$device" --own --conf "$work/g.conf"
mkdir -p "$work/deb/DEBIAN" "$work/deb/bin"
printf 'Package: lxguard-test\nVersion: 1\nArchitecture: all\nMaintainer: t <t@example.org>\nDescription: t\n' >"$work/deb/DEBIAN/control"
printf '#!/bin/sh\nexit 0 # postinst\n' >"$work/deb/DEBIAN/postinst"
{ cat /bin/true; echo package; } >"$work/deb/bin/tool"; chmod +x "$work/deb/DEBIAN/postinst" "$work/deb/bin/tool"
dpkg-deb --build "$work/deb" "$work/t.deb" >/dev/null
printf '#!/bin/sh\necho "SHA256: %s"\n' "$(sha256sum "$work/t.deb" | cut -d' ' -f1)" >"$work/lists"; chmod +x "$work/lists"
cp "$work/deb/bin/tool" "$m/tool"; cp "$work/deb/DEBIAN/postinst" "$m/postinst"
denied "$m/tool"
! echo "$work/t.deb" | APT_CACHE=/bin/true "$LX_SRCDIR/contrib/apt-approve" 2>/dev/null || gfail "an unverified package was approved"
denied "$m/tool"
echo "$work/t.deb" | APT_CACHE="$work/lists" "$LX_SRCDIR/contrib/apt-approve" || gfail "apt-approve"
runs "$m/tool"; runs "$m/postinst"
expect 0 logout
stop
until_status '.node.subscribed == false and .node.reachable == false'
grep -q 'does not tell of blocks' "$work/glog" || gfail "the loss of the node is not said"
denied "$m/evil"; runs "$m/good"

# A start without the node stands on the cache; a damaged cache stands for nothing.
ungate
gate || fail "no start without the node"
[ "$(g status --json | jq .entries)" = 7 ] || gfail "the cache was not used"
runs "$m/good"; denied "$m/evil"; denied "$m/later" /dev/null
g status --json | jq -e '.start_ms' >>"$work/glog"
kill -STOP "$guard"; kill -CONT "$guard"
kill -9 "$guard"; wait "$guard" 2>/dev/null || true; guard=
runs "$m/evil"                                   # as lxguard(8) says: its death opens the gate
cp "$work/state/cache" "$work/cache"
printf '\377' | dd of="$work/state/cache" bs=1 seek=300 conv=notrunc 2>/dev/null
gate || fail "no start with a damaged cache"
denied "$m/good"
ungate
cp "$work/cache" "$work/state/cache"

# Audit only tells; the panic switch; safe start refuses what would stop running programs.
sed 's/^mode = .*/mode = audit/' "$work/g.conf" >"$work/a.conf"; cp "$work/g.conf" "$work/e.conf"; cp "$work/a.conf" "$work/g.conf"
gate || fail "audit did not start"
runs "$m/evil"
g log | grep -q would-deny || gfail "audit tells nothing"
cp "$work/e.conf" "$work/g.conf"
kill -HUP "$guard"
until_status '.mode == "enforce"'
denied "$m/evil"
"$build/lxguard" --conf "$work/g.conf" --panic >/dev/null || gfail "the panic switch"
runs "$m/evil"
[ "$(g status --json | jq -r .mode_reason)" = "panic switch" ] || gfail "panic is not told"
ungate
cp /bin/sleep "$m/sleep"
"$m/sleep" 100 & sleeper=$!
gate || fail "safe start"
[ "$(g status --json | jq -r .mode)" = audit ] || gfail "enforces though a running program would be denied"
g status | grep -q "would deny.*$m/sleep" || gfail "it does not say which"
kill "$sleeper"; wait "$sleeper" 2>/dev/null || true
ungate

# The conf file that is handed out names every setting and is good.
"$build/lxguard" --conf "$LX_SRCDIR/contrib/lxguard.conf" --check-config >/dev/null || fail "contrib/lxguard.conf"
sed 's/^#\([a-z-]* = \)/\1/' "$LX_SRCDIR/contrib/lxguard.conf" >"$work/all.conf"
"$build/lxguard" --conf "$work/all.conf" --check-config 2>"$work/err" || fail "its examples: $(cat "$work/err")"
for name in $("$build/lxguard" --help | sed -n 's/^  \([a-z-]*\) = .*/\1/p'); do
        grep -q "^$name = " "$work/all.conf" || fail "contrib/lxguard.conf does not name $name"
done
# A policy that is not understood is no policy.
printf 'mode = perhaps\n' >"$work/bad.conf"
! "$build/lxguard" --conf "$work/bad.conf" --stop-after 5 2>"$work/err" || fail "a bad policy was taken"
grep -q 'line 1: mode' "$work/err" || fail "the line is not named"
echo ok
