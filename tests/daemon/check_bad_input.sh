#!/bin/bash
# Bad input on the sockets: each a clear error, no crash, other clients unaffected.
set -eu
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
"$build/lxnoded" --dev --datadir "$dir" --rpc-listen 127.0.0.1:0 >"$work/log" 2>&1 &
pid=$!
until lx status >/dev/null 2>&1; do kill -0 "$pid" || fail "no start"; done
port=$(lx status --json | jq -r '.rpc[1]' | sed 's/.*://')
code() { jq -r '.error.code // "none"'; }
is() { [ "$1" = "$2" ] || fail "$3: $1, not $2"; }

is "$(rpc 'nonsense' | code)" -32700 "no JSON"
is "$(rpc '{}' | code)" -32600 "an empty object"
is "$(rpc '[]' | code)" -32600 "an empty batch"
is "$(rpc '{"jsonrpc":"2.0","id":1,"method":"no.such"}' | code)" -32601 "an unknown method"
is "$(rpc '{"jsonrpc":"2.0","id":1,"method":"register.get"}' | code)" -32602 "a missing parameter"
is "$(rpc '{"jsonrpc":"2.0","id":1,"method":"register.get","params":{"address":7}}' | code)" -32602 "a wrong type"
is "$(rpc '{"jsonrpc":"2.0","id":1,"method":"register.get","params":{"address":"zz"}}' | code)" -32602 "no hex"
is "$(rpc '{"jsonrpc":"2.0","id":1,"method":"node.status","params":{"x":1}}' | code)" -32602 "one too many"
deep=$(printf '[%.0s' $(seq 1 5000))
is "$(rpc "$deep" | code)" -32700 "deep nesting"
{ printf '['; for i in $(seq 1 1001); do printf '{"jsonrpc":"2.0","id":%d,"method":"node.status"},' "$i"; done; printf '1]'; } >"$work/huge"
is "$(curl -s --unix-socket "$dir/lxnoded.sock" -d @"$work/huge" http://n/rpc | code)" -32600 "a huge batch"
is "$(rpc '{"jsonrpc":"2.0","id":1,"method":"chain.submit","params":{"tx":"00ff"}}' | code)" -31005 "a malformed transaction"
head -c 6000000 /dev/zero >"$work/big"
is "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$dir/lxnoded.sock" --data-binary @"$work/big" http://n/rpc)" 413 "an oversized body"
is "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/rpc" -d '{}')" 401 "no cookie"
is "$(curl -s -o /dev/null -w '%{http_code}' -u __cookie__:bad "http://127.0.0.1:$port/rpc" -d '{}')" 401 "a wrong cookie"
is "$(curl -s -o /dev/null -w '%{http_code}' -u "$(cat "$dir/.cookie")" "http://127.0.0.1:$port/rpc" -d '{"jsonrpc":"2.0","id":1,"method":"node.status"}')" 200 "the cookie"
is "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/health")" 200 "/health"
is "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$dir/lxnoded.sock" http://n/nothing)" 404 "a path that is not"
is "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$dir/lxnoded.sock" http://n/rpc)" 405 "GET on /rpc"
is "$(curl -s -X PUT --data-binary abc -o /dev/null -w '%{http_code}' --unix-socket "$dir/lxnoded.sock" "http://n/blob/manifest/$(printf '%064d' 0)?offset=0&total=3")" 400 "a blob that is not its root's"
is "$(stat -c %a "$dir/lxnoded.sock")" 600 "the socket's mode"
is "$(stat -c %a "$dir/.cookie")" 600 "the cookie's mode"

# Half-open and slow clients, binary garbage: fifty at once; others go on.
for i in $(seq 1 50); do
        exec {fd}<>"/dev/tcp/127.0.0.1/$port"
        if [ $((i % 2)) = 0 ]; then head -c 300 /dev/urandom >&"$fd" 2>/dev/null || true; else printf 'POST /rpc HTTP/1.1\r\nContent-Le' >&"$fd"; fi
done
expect 0 status
kill -0 "$pid" || fail "the node died"

# Twenty that ask for much and take nothing: refused from some point on, the memory stays bounded, others go on.
cat >"$work/greedy.py" <<'PY'
import socket, sys
body = ("[" + ",".join('{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}' for _ in range(1000)) + "]").encode()
socks = []
for _ in range(20):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(sys.argv[1])
    s.sendall(b"POST /rpc HTTP/1.1\r\nHost: n\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    socks.append(s)
print("asked", flush=True)
sys.stdin.read()
PY
exec {greedy}> >(python3 "$work/greedy.py" "$dir/lxnoded.sock" >"$work/greedy")
metric() { curl -s --max-time 20 --unix-socket "$dir/lxnoded.sock" http://n/metrics | sed -n "s/^lxnoded_rpc_$1_total //p"; }
handled() { echo $(($(metric calls) + $(metric errors))); }
until grep -q asked "$work/greedy" && [ "$(handled)" -ge 20000 ]; do
        kill -0 "$pid" || fail "the node died of greedy clients"
        expect 0 status
done
[ "$(metric errors)" -ge 5000 ] || fail "only $(metric errors) calls were refused"
if ! nm "$build/lxnoded" "$build/.libs/lxnoded" 2>/dev/null | grep -q __asan_init; then
        anon=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status")
        [ "$anon" -le 200000 ] || fail "greedy clients cost $anon kB"
fi
exec {greedy}>&-

# Two daemons on one data directory; a read-only one; wrong options.
got=0
"$build/lxnoded" --dev --datadir "$dir" --rpc-listen none >"$work/second" 2>&1 || got=$?
is "$got" 5 "a second daemon"
grep -q "$pid" "$work/second" || fail "the holder of the lock is not named: $(cat "$work/second")"
got=0; "$build/lxnoded" --nonsense >/dev/null 2>&1 || got=$?; is "$got" 2 "an unknown option"
printf 'prune = many\n' >"$work/conf"
got=0; "$build/lxnoded" --conf "$work/conf" --check-config >"$work/second" 2>&1 || got=$?; is "$got" 2 "a bad conf file"
got=0; "$build/lxnoded" --datadir "$work/none" --rpc-listen none >"$work/second" 2>&1 || got=$?; is "$got" 5 "no genesis"
grep -q -- --dev "$work/second" || fail "the way out is not named"
kill -TERM "$pid"
wait "$pid" || fail "SIGTERM is no clean stop"
pid=
sed -i 's/1/99/' "$dir/FORMAT"
got=0; "$build/lxnoded" --dev --datadir "$dir" --rpc-listen none >"$work/second" 2>&1 || got=$?; is "$got" 5 "a newer format"
echo ok
