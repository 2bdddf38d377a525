#!/bin/sh
# Whole nodes on virtual time: the seeds that ever failed, a fork, and fresh seeds for SIM_SECONDS (20). A
# seed that fails is printed: add it to tests/sim/seeds.txt with its fix.
set -eu
sim="$LX_BUILDDIR/tests/sim/sim"
"$sim" --file "$LX_SRCDIR/tests/sim/seeds.txt"
"$sim" --fork 1 2 3
"$sim" --twice 1 2
"$sim" --seconds "${SIM_SECONDS:-20}" --from "${SIM_FROM:-$(date +%s)000}"
echo PASS
