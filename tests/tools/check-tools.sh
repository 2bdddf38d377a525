#!/bin/bash
# The checks of the sources can fail: a small tree with one fault after the other, and each is named.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tools=$LX_SRCDIR/tests/tools
cd "$work"

# A tree without faults.
fresh() {
        rm -rf t && mkdir -p t/src/base t/src/top t/man t/doc b/man
        cp "$LX_SRCDIR/.clang-format" t/
        printf 'base:\ntop: base\n' >t/src/LAYERS
        printf '/*\n * base/a.h - a thing.\n */\n#ifndef LX_BASE_A_H\n#define LX_BASE_A_H\n\n/** Do it. */\nint a_do(int x);\n\n#endif\n' \
            >t/src/base/a.h
        printf '/*\n * base/a_int.h - its inside.\n */\n#ifndef LX_BASE_A_INT_H\n#define LX_BASE_A_INT_H\n\n#include "base/a.h"\n\n#endif\n' \
            >t/src/base/a_int.h
        printf '/* base/a.c - see base/a.h. */\n#include "config.h"\n#include "base/a.h"\n\n#include <string.h>\n\nint\na_do(int x)\n{\n        return x + 1;\n}\n' \
            >t/src/base/a.c
        printf '/* top/b.c - above it. */\n#include "config.h"\n#include "base/a.h"\n' >t/src/top/b.c
        mkdir -p t/src/lxnoded t/src/lx
        printf 'lxnoded: base\nlx: base\n' >>t/src/LAYERS
        printf '/* lxnoded/options.c - rows. */\n#include "config.h"\n    {"prune", OPTION_NUMBER},\n' >t/src/lxnoded/options.c
        printf '/* lx/table.c - rows. */\n#include "config.h"\n    {"chain head", cmd_chain_head},\n' >t/src/lx/table.c
        printf '\\-\\-prune N\n' >b/man/lxnoded.8
        printf 'chain head\n' >b/man/lx.1
}
check() { python3 "$tools/check-source" "$work/t" gcc "$work/b" >out 2>&1; }

# fault TEXT: check-source must fail and say TEXT.
fault() {
        if check; then cat out; echo "check-source does not see: $1"; exit 1; fi
        grep -qF "$1" out || { cat out; echo "check-source does not say: $1"; exit 1; }
        fresh
}

fresh
check || { cat out; echo "check-source finds faults where there are none"; exit 1; }
printf '#include "top/b.h"\n' >>t/src/base/a.c;                          fault 'base may not include top'
printf '#include "base/a_int.h"\n' >>t/src/top/b.c;                      fault 'base/a_int.h is private to base'
printf 'base: top\n' >>t/src/LAYERS; sed -i 1d t/src/LAYERS;             fault 'which is not above it'
printf '#include <event2/event.h>\n' >>t/src/base/a.c;                   fault 'belongs to io alone'
sed -i 's/return x + 1/return  x+1/' t/src/base/a.c;                     fault 'not laid out as clang-format does'
sed -i '/Do it/d' t/src/base/a.h;                                        fault 'no comment above a_do'
printf '/** Two. */\nint a_two(void);\nint a_three(void);\n' | sed -i '/^int a_do/r /dev/stdin' t/src/base/a.h
                                                                         fault 'no comment above a_three'
sed -i 's/^int a_do/size_t a_do/' t/src/base/a.h;                        fault 'does not compile alone'
sed -i 1,3d t/src/base/a.h;                                              fault 'a header opens with what it is about'
sed -i '/#ifndef/d' t/src/base/a.h;                                      fault 'a header has an include guard'
sed -i '/config.h/d' t/src/base/a.c;                                     fault 'the first include is "config.h"'
sed -i 's/#include "base\/a.h"//' t/src/base/a.c; printf '#include "base/b.h"\n' >>t/src/base/a.c
                                                                         fault "the file's own header"
sed -i 's/#include <string.h>/#include <string.h>\n#include <stdio.h>/' t/src/base/a.c; fault 'stdio.h comes before string.h'
sed -i 's/#include <string.h>/#include <string.h>\n#include "base\/z.h"/' t/src/base/a.c; fault "our headers come before the system's"
sed -i 's/return x + 1/return atoi("1") + x/' t/src/base/a.c;            fault 'a forbidden call'
sed -i 's/return x + 1/return memcmp(\&x, \&x, 4)/' t/src/base/a.c;      fault 'memcmp without /* public */'
printf '/* %0130d */\n' 1 >>t/src/top/b.c;                               fault 'longer than'
printf 'int x; \n' >>t/src/top/b.c;                                      fault 'blanks at the end'
printf 'It %s it.\n' reci''eves >t/doc/x.md;                       fault reci''eves
mkdir t/contrib; printf '#!/bin/sh\necho $1\n' >t/contrib/test;          fault 'SC2086'
: >b/man/lxnoded.8;                                                      fault 'prune is not in man/lxnoded.8'
: >b/man/lx.1;                                                           fault 'chain head is not in man/lx.1'

# Writable data: in .data, .bss, as a static of a function; constants are fine, and so are those that are allowed.
mkdir -p g/tests/tools g/b/src/base
echo 'src/base/ok.c sink # may' >g/tests/tools/globals.allowed
globals() {
        printf '%s\n' "$2" | gcc -fPIC -x c -c -o "g/b/src/base/$1.o" -
        python3 "$tools/check-globals" "$work/g" "$work/g/b" "g/b/src/base/$1.o" >out 2>&1
}
globals fine 'static const char *const names[] = {"a", "b"}; const char *f(int i); const char *f(int i) { return names[i]; }' ||
    { cat out; echo "check-globals complains of constants"; exit 1; }
globals ok 'int sink = 3;' || { cat out; echo "check-globals does not read globals.allowed"; exit 1; }
for code in 'int counter = 3;' 'static int counter; int f(void); int f(void) { return ++counter; }' \
    'int f(void); int f(void) { static int counter = 5; return ++counter; }' '_Thread_local int counter = 1;' \
    'const char *counter = "x";'; do
        if globals bad "$code"; then echo "check-globals does not see: $code"; exit 1; fi
        grep -q 'counter is writable' out || { cat out; exit 1; }
done

# The mutation tool tells a test that notices from one that does not.
mkdir m && cd m
printf 'int f(int x);\nint\nf(int x)\n{\n        if (x > 3)\n                return 1;\n        return 0;\n}\n' >f.c
printf 'int f(int x);\nint main(void) { return f(5) == 1 && f(1) == 0 ? 0 : 1; }\n' >good.c
printf 'int f(int x);\nint main(void) { return f(1) == 0 ? 0 : 1; }\n' >blind.c
python3 "$tools/mutate" f.c -- sh -c 'gcc -o good f.c good.c && ./good' >out || { cat out; echo "mutate: a good test is called blind"; exit 1; }
cp f.c before.c
if python3 "$tools/mutate" f.c -- sh -c 'gcc -o blind f.c blind.c && ./blind' >out; then cat out; echo "mutate: a blind test passes"; exit 1; fi
grep -q 'f.c:5: alive' out && cmp -s f.c before.c || { cat out; exit 1; }
echo "the tools see what they should"
