#!/bin/sh
# Secrets under valgrind: our own code neither branches on them nor looks into tables by them.
set -eu
command -v valgrind >/dev/null || { echo "valgrind is not installed"; exit 77; }
run() {
        valgrind -q --error-exitcode=9 --suppressions="$LX_SRCDIR/tests/ctime/libraries.supp" \
            "$LX_BUILDDIR/tests/ctime/ctime" "$@"
}
run
# It would see a leak.
if run leak >ctime.out 2>&1; then cat ctime.out; echo "the test is blind"; exit 1; fi
grep -q 'Conditional jump' ctime.out || { cat ctime.out; echo "it failed for another reason"; exit 1; }
rm -f ctime.out
