#!/bin/sh
# liblxverify built for bare metal: needs mem* alone, and no more stack than lxverify.h promises.
exec "$LX_SRCDIR/tests/tools/check-bare" "$LX_SRCDIR" "$LX_BUILDDIR"
