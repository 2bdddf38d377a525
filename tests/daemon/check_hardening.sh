#!/bin/bash
# What is linked is hardened: position-independent, relocations read-only and resolved at start, stack
# protector and fortified functions really there, no executable stack, no search path of the build.
set -eu
build=${LX_BUILDDIR:-.}
fail() { echo "FAIL: $*" >&2; exit 1; }
# real FILE: the program itself, not libtool's wrapper.
real() { if [ -f "$(dirname "$1")/.libs/$(basename "$1")" ]; then echo "$(dirname "$1")/.libs/$(basename "$1")"; else echo "$1"; fi; }
count=0
for name in lx lxnoded lxguard .libs/liblxverify.so; do
        [ -e "$build/$name" ] || continue
        file=$(real "$build/$name")
        if nm -D "$file" | grep -q __asan_init; then
                echo "a sanitizer's build is not what gets installed: skipped"
                exit 77
        fi
        count=$((count + 1))
        readelf -Wh "$file" | grep -q 'Type: *DYN' || fail "$name is not position-independent"
        readelf -Wl "$file" | grep -q GNU_RELRO || fail "$name has no read-only relocations"
        readelf -Wd "$file" | grep -Eq 'BIND_NOW|FLAGS.* NOW' || fail "$name is bound lazily: RELRO is not full"
        readelf -Wl "$file" | grep 'GNU_STACK' | grep -q 'RW ' || fail "$name has an executable stack"
        ! readelf -Wl "$file" | grep -q 'LOAD.*RWE' || fail "$name has a writable and executable segment"
        ! readelf -Wd "$file" | grep -Eq 'R(UN)?PATH' || fail "$name has a search path: $(readelf -Wd "$file" | grep PATH)"
        case $name in
        *.so) ;; # needs nothing but mem* and what the caller gives
        *)
                readelf -Wd "$file" | grep -q 'FLAGS_1.*PIE' || fail "$name is no PIE"
                readelf -Ws --dyn-syms "$file" | grep -q '__stack_chk_fail' || fail "$name has no stack protector"
                [ "$(readelf -Ws --dyn-syms "$file" | grep -cE '__(v?snprintf|v?fprintf|v?printf|memcpy|read|pread|pread64|recv|realpath|memset|fread|fgets|readlink|poll|strcpy|strncpy|getcwd)_chk')" -ge 4 ] ||
                    fail "$name has no fortified functions"
                ;;
        esac
done
[ "$count" -ge 3 ] || fail "only $count programs were found"
echo "$count programs and libraries are hardened"
