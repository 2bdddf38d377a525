#!/bin/bash
# The daemon as a service: what the unit files expose, what the sandbox lets through, readiness and watchdog, HUP,
# TERM under load, the conf file that is handed out.
set -eu
. "$LX_SRCDIR/tests/daemon/lib.sh"
units=$LX_SRCDIR/contrib/systemd

# ---- what systemd's own judgement says, with room for nothing above the limit
exposed() { # NAME LIMIT FILE...: a unit with its drop-ins
        mkdir -p "$work/units"
        cat "${@:3}" >"$work/units/$1.service"
        systemd-analyze security --offline=true --no-pager "$work/units/$1.service" >"$work/exposure" 2>&1 ||
            fail "systemd-analyze: $(cat "$work/exposure")"
        got=$(sed -n 's/.*Overall exposure level for.*: \([0-9.]*\) .*/\1/p' "$work/exposure")
        awk -v got="$got" -v limit="$2" 'BEGIN {exit !(got != "" && got + 0 <= limit)}' ||
            fail "$1 exposes $got, more than $2: $(cat "$work/exposure")"
}
if command -v systemd-analyze >/dev/null && systemd-analyze security --help 2>&1 | grep -q -e --offline; then
        exposed lxnoded 2.0 "$units/lxnoded.service"
        exposed lxnoded 2.0 "$units/lxnoded.service" "$units/lxnoded-router.conf"
        exposed lxguard 2.6 "$units/lxguard.service"
        # The limit can fail: a unit without its sandbox is seen.
        sed '/^\(Protect\|Private\|Restrict\|Capab\|System\|User\)/d' "$units/lxnoded.service" >"$work/bare"
        ! (exposed lxnoded 2.0 "$work/bare") 2>/dev/null || fail "a bare unit passes"
fi
# Users and directories, in a root of their own.
if [ "$(id -u)" = 0 ] && command -v systemd-sysusers >/dev/null && command -v systemd-tmpfiles >/dev/null; then
        mkdir -p "$work/root/etc" "$work/root/usr/lib/sysusers.d" "$work/root/usr/lib/tmpfiles.d"
        cp "$units/lxnode.sysusers" "$work/root/usr/lib/sysusers.d/lxnode.conf"
        cp "$units/lxnode.tmpfiles" "$work/root/usr/lib/tmpfiles.d/lxnode.conf"
        systemd-sysusers --root="$work/root" >/dev/null 2>"$work/err" || fail "sysusers: $(cat "$work/err")"
        grep -q '^lxnode:.*:/var/lib/lxnode:.*nologin$' "$work/root/etc/passwd" || fail "no user lxnode"
        systemd-tmpfiles --root="$work/root" --create 2>"$work/err" ||
            fail "tmpfiles: $(cat "$work/err")"
        [ "$(stat -c %a "$work/root/var/lib/lxnode" "$work/root/etc/lxnode" | uniq)" = 750 ] || fail "modes"
fi

# The example of a firewall is one that the kernel would take.
if [ "$(id -u)" = 0 ] && command -v nft >/dev/null && unshare -n nft list tables >/dev/null 2>&1; then
        unshare -n nft -c -f "$LX_SRCDIR/contrib/nftables-lxnode.conf" || fail "contrib/nftables-lxnode.conf"
fi

# ---- the conf file that is handed out names every option and is good
"$build/lxnoded" --conf "$LX_SRCDIR/contrib/lxnoded.conf" --check-config >/dev/null || fail "contrib/lxnoded.conf"
sed 's/^#\([a-z-]* = \)/\1/' "$LX_SRCDIR/contrib/lxnoded.conf" >"$work/all.conf"
# Together they are a full node's: what is for a light node alone is left out.
sed -e "s,^log-file = .*,log-file = $work/examples.log," -e '/^\(trust\|watch\|contact\|broadcast-listen\) = /d' "$work/all.conf" >"$work/here.conf"
"$build/lxnoded" --conf "$work/here.conf" --check-config >/dev/null || fail "the examples in contrib/lxnoded.conf"
for name in $("$build/lxnoded" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p'); do
        case $name in conf|check-*|restore|rollback|hand-over|take-over|help|version) continue ;; esac
        grep -q "^$name = " "$work/all.conf" || fail "contrib/lxnoded.conf does not name $name"
done

# ---- readiness, signs of life, the end
cat >"$work/notified.py" <<'PY'
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    text = s.recv(4096).decode()
    print(text, flush=True)
    if text.startswith("STOPPING"):
        break
PY
python3 "$work/notified.py" "$work/notify" >"$work/notified" & listener=$!
helpers=$listener
until [ -S "$work/notify" ]; do kill -0 $listener || fail "no listener"; done
printf 'log = info\n' >"$work/node.conf"
export NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=200000
start --conf "$work/node.conf" --log-file "$work/node.log"
unset NOTIFY_SOCKET WATCHDOG_USEC
signs_of_life() { # PID DATADIR: at least three
        waits=0
        until [ "$(grep -c '^WATCHDOG=1' "$work/notified")" -ge 3 ]; do
                kill -0 "$1" || fail "the node ended"
                "$build/lx" --datadir "$2" status >/dev/null 2>&1 || true
                waits=$((waits + 1)); [ $waits -lt 5000 ] || fail "no sign of life: $(cat "$work/notified")"
        done
}
signs_of_life "$pid" "$dir"
first=$(lx --json chain header 0 | jq -r .hash)
[ "$(head -1 "$work/notified")" = READY=1 ] || fail "not READY first: $(cat "$work/notified")"

# ---- HUP: the log level and the file; a bad conf file changes nothing; what needs a restart is named
logged() { # TEXT: wait for it in the log
        tries=0
        until grep -q -- "$1" "$work/node.log" 2>/dev/null; do
                lx status >/dev/null || fail "the node does not answer"
                tries=$((tries + 1)); [ $tries -lt 5000 ] || fail "the log does not say $1: $(tail -5 "$work/node.log")"
        done
}
printf 'log = debug\n' >"$work/node.conf"
mv "$work/node.log" "$work/node.log.1"
kill -HUP "$pid"
logged '"reloaded" log=debug'
printf 'log = info\nno-such-option = 1\n' >"$work/node.conf"
kill -HUP "$pid"
logged 'not reloaded.*line 2: there is no option "no-such-option"'
printf 'log = info\nprune = 77\ninbound-max = 3\n' >"$work/node.conf"
kill -HUP "$pid"
logged 'what needs a restart" options=inbound-max,prune'

# ---- TERM under load: within 10 s, and the store is whole
printf 'correct horse battery staple\n2718281828\n' >"$work/secret"; chmod 600 "$work/secret"
load() { while curl -s --max-time 5 --unix-socket "$dir/lxnoded.sock" \
    -d '[{"jsonrpc":"2.0","id":1,"method":"chain.headers","params":{"from":0}},{"jsonrpc":"2.0","id":2,"method":"node.status"}]' \
    http://n/rpc >/dev/null; do :; done; }
for _ in 1 2 3; do load & helpers="$helpers $!"; done
i=0
while [ $i -lt 20 ]; do lx rpc node.log "{\"spec\":\"info\"}" >/dev/null; i=$((i + 1)); done
began=$(date +%s)
kill -TERM "$pid"
wait "$pid" || fail "TERM: status $?"
pid=
took=$(($(date +%s) - began))
[ $took -lt 10 ] || fail "TERM took $took s"
wait $listener || true
grep -q '^STOPPING=1' "$work/notified" || fail "STOPPING is not told"
"$build/lxnoded" --datadir "$dir" --check-db >/dev/null || fail "the store after TERM"

# ---- a light node tells the same, and serves no less
rm -f "$work/notify"
python3 "$work/notified.py" "$work/notify" >"$work/notified" & listener=$!
helpers="$helpers $listener"
until [ -S "$work/notify" ]; do kill -0 $listener || fail "no listener"; done
NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=200000 "$build/lxnoded" --light --datadir "$work/light" --rpc-listen none \
    --genesis "$dir/genesis.json" --trust "0:$first" >"$work/light.log" 2>&1 & light=$!
helpers="$helpers $light"
signs_of_life "$light" "$work/light"
kill -HUP "$light"
until grep -q '"reloaded"' "$work/light.log"; do kill -0 "$light" || fail "the light node ended at HUP"; done
kill -TERM "$light"
wait "$light" || fail "TERM to a light node: status $?: $(tail -3 "$work/light.log")"
wait $listener || true
[ "$(head -1 "$work/notified")" = READY=1 ] && grep -q '^STOPPING=1' "$work/notified" ||
        fail "a light node tells: $(cat "$work/notified")"

# ---- the sandbox lets through what a node calls (strace sees none of the sanitizers' own calls kindly)
if command -v strace >/dev/null && command -v systemd-analyze >/dev/null && ! nm "$build/lxnoded" 2>/dev/null | grep -q __asan_init &&
    ! nm "$build/.libs/lxnoded" 2>/dev/null | grep -q __asan_init && strace -o /dev/null true 2>/dev/null; then
        python3 - "$units/lxnoded.service" >"$work/allowed" <<'PY'
import re, subprocess, sys
sets, name = {}, None
for line in subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True).stdout.splitlines():
    line = re.sub(r"\x1b\[[0-9;]*m", "", line)
    if line.startswith("@"):
        name = line.strip(); sets[name] = []
    elif line.startswith("    ") and name and not line.strip().startswith("#"):
        sets[name].append(line.strip())
def calls(word):
    return {word} if word[0] != "@" else set().union(*[calls(w) for w in sets[word]], set())
allowed = set()
for line in open(sys.argv[1]):
    if line.startswith("SystemCallFilter="):
        words = line.split("=", 1)[1].strip()
        for w in words.lstrip("~").split():
            allowed = allowed - calls(w) if words[0] == "~" else allowed | calls(w)
print("\n".join(sorted(allowed)))
PY
        grep -qx futex "$work/allowed" || fail "the filter cannot be read"
        ! grep -qx ptrace "$work/allowed" || fail "the filter lets ptrace through"
        strace -f -qq -o "$work/calls" "$build/lxnoded" --datadir "$dir" --dev --rpc-listen 127.0.0.1:0 >>"$work/log" 2>&1 & helpers="$helpers $!"
        tracer=$!
        until lx status >/dev/null 2>&1; do kill -0 $tracer || fail "the traced node did not start"; done
        lx --secret-file "$work/secret" --yes profile create olga --kdf-memory 64 >/dev/null 2>"$work/err" ||
            fail "profile create: $(cat "$work/err")"
        lx backup "$work/copy" >/dev/null || fail "backup"
        lx stop >/dev/null
        wait $tracer || fail "the traced node did not stop cleanly"
        sed -n 's/^[0-9]* *\(<\.\.\. \)\{0,1\}\([a-z_0-9]*\)[( ].*/\2/p' "$work/calls" | sort -u |
            tee "$work/called" | grep -vx -f "$work/allowed" >"$work/outside" || true
        grep -q sync "$work/called" || fail "strace saw nothing: $(head -3 "$work/calls")"
        [ ! -s "$work/outside" ] || fail "the unit's filter forbids what the node calls: $(tr '\n' ' ' <"$work/outside")"
fi
echo ok
