#!/bin/bash
# lx top: one frame without a terminal; live on one: a new block appears, the terminal's size is kept to as it changes, q
# gives the terminal back. lx status fits one screen.
set -eu
. "$LX_SRCDIR/tests/daemon/lib.sh"
expect 3 top
start
lx rpc guard.report mode=enforce entries=7 "findings=[{\"verdict\":\"denied\",\"path\":\"/x\\u001b[2Jy\"}]" >/dev/null
expect 0 top
grep -q '^height      0,' "$work/out" && grep -q '^ready       yes' "$work/out" && grep -q '^guard       enforce, 7 programs' "$work/out" || fail "one frame: $(cat "$work/out")"
! grep -q "$(printf '\033')" "$work/out" || fail "escapes without a terminal"
grep -q '/x?\[2Jy' "$work/out" || fail "text of others is not tamed"
lx --json top | jq -e '.height == 0' >/dev/null || fail "--json"
[ "$(lx status | wc -l)" -le 24 ] || fail "lx status does not fit a screen of 24 lines"
[ "$(lx status | awk 'length > 80' | grep -vc -e '^chain' -e '^header' -e '^datadir')" = 0 ] || fail "lx status is wider than 80: $(lx status)"
"$build/lx" --yes keygen device "$work/key" >/dev/null
cat >"$work/drive.py" <<'PY'
import fcntl, os, pty, select, signal, struct, subprocess, sys, termios, time
lx, datadir, key = sys.argv[1:]
def size(fd, rows, cols):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
pid, fd = pty.fork()
if pid == 0:
    os.execv(lx, [lx, "--datadir", datadir, "top"])
seen = b""
def until(what, after=0):
    global seen
    end = time.monotonic() + 60
    while what not in seen[after:]:
        if time.monotonic() > end:
            sys.exit(f"never: {what} in {seen[-2000:]}")
        if select.select([fd], [], [], 0.2)[0]:
            seen += os.read(fd, 65536)
def frame():
    """The lines of the newest whole frame, without escapes."""
    text = seen.split(b"\x1b[H")[-2] if not seen.endswith(b"\x1b[J") else seen.split(b"\x1b[H")[-1]
    return [l.rstrip(b"\r") for l in text.replace(b"\x1b[K", b"").replace(b"\x1b[J", b"").split(b"\r\n")]
size(fd, 24, 80)
until(b"\x1b[?1049h"); until(b"height      0")
subprocess.run([lx, "--datadir", datadir, "--key-file", key, "profile", "create"], check=True, stdout=subprocess.DEVNULL)
until(b"height      1")
mark = len(seen)
size(fd, 4, 20)
os.kill(pid, signal.SIGWINCH)
# Two whole frames later the new size is everywhere.
for _ in range(3):
    until(b"\x1b[J", mark); mark = seen.index(b"\x1b[J", mark) + 3
lines = frame()
if len(lines) > 4 or any(len(l.decode()) > 20 for l in lines):
    sys.exit(f"a frame of 4 rows and 20 columns: {lines}")
mark = len(seen)
os.write(fd, b"q")
until(b"\x1b[?1049l", mark)
if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
    sys.exit("q does not end it well")
# The node goes away: it says so on the usual screen.
pid, fd = pty.fork()
if pid == 0:
    os.execv(lx, [lx, "--datadir", datadir, "top"])
seen = b""
size(fd, 24, 80)
until(b"height      1")
subprocess.run([lx, "--datadir", datadir, "stop"], check=True, stdout=subprocess.DEVNULL)
until(b"\x1b[?1049l")
if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 3:
    sys.exit("a node that is gone: another exit status")
PY
python3 "$work/drive.py" "$(readlink -f "$build/lx")" "$dir" "$work/key" 2>"$work/err" || fail "on a terminal: $(cat "$work/err")"
wait "$pid" || fail "the node"
pid=
echo ok
