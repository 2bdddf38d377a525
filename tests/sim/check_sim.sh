#!/bin/sh
# Whole nodes on virtual time: the seeds that ever failed, forks, and for SIM_SECONDS (20) seeds that are
# new with every commit (so that a red run is red again); SIM_FROM names the first one. A seed that fails is
# printed: add it to tests/sim/seeds.txt with its fix.
set -eu
sim="$LX_BUILDDIR/tests/sim/sim"
commit=$(git -C "$LX_SRCDIR" rev-parse --short=7 HEAD 2>/dev/null || date +%s)
from=${SIM_FROM:-$(printf '%d' "0x$commit")000}
"$sim" --file "$LX_SRCDIR/tests/sim/seeds.txt"
"$sim" --fork 1 2 3 4
"$sim" --twice 1 2
"$sim" --seconds "${SIM_SECONDS:-20}" --from "$from"
echo PASS
