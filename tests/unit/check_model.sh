#!/bin/sh
# The formal model of consensus, over two rounds, and its broken variants.
exec "$LX_SRCDIR/tests/tools/check-model" "$LX_SRCDIR"
