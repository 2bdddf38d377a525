# AX_LX_WARN: the warnings, hardening and sanitizers of this project, for gcc and clang.
#
# Sets LX_CFLAGS and LX_LDFLAGS (hosted code) and LX_WARN_CFLAGS (warnings alone, also for the
# freestanding archive, which has no libc to harden with).
AC_DEFUN([_AX_LX_TRY], [
  AS_VAR_PUSHDEF([cachevar], [ax_cv_lx_$1_[]AS_TR_SH([$2])])
  AC_CACHE_CHECK([whether $CC takes $2], [cachevar], [
    lx_save_flags=$[]$1
    $1="$[]$1 -Werror $2"
    AC_LINK_IFELSE([AC_LANG_PROGRAM()], [cachevar=yes], [cachevar=no])
    $1=$lx_save_flags])
  AS_VAR_IF([cachevar], [yes], [$3="$[]$3 $2"])
  AS_VAR_POPDEF([cachevar])])

AC_DEFUN([AX_LX_WARN], [
  LX_WARN_CFLAGS=
  LX_CFLAGS=
  LX_LDFLAGS=
  m4_foreach_w([flag], [-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
      -Wformat=2 -Wundef -Wpointer-arith -Wwrite-strings -Wold-style-definition
      -Wlogical-op -Wduplicated-cond -Wimplicit-fallthrough -Wswitch],
    [_AX_LX_TRY([CFLAGS], flag, [LX_WARN_CFLAGS])])
  AS_IF([test "x$enable_werror" = xyes], [LX_WARN_CFLAGS="$LX_WARN_CFLAGS -Werror"])

  AS_IF([test "x$enable_sanitizers" = xyes || test "x$enable_fuzz" = xyes], [
      lx_san=address,undefined
      AS_IF([test "x$enable_fuzz" = xyes], [lx_san="$lx_san,fuzzer-no-link"])
      LX_CFLAGS="-fsanitize=$lx_san -fno-sanitize-recover=all -fno-omit-frame-pointer"
      LX_LDFLAGS="-fsanitize=$lx_san"
    ], [
      m4_foreach_w([flag], [-fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE],
        [_AX_LX_TRY([CFLAGS], flag, [LX_CFLAGS])])
      LX_CFLAGS="$LX_CFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"
      # Written out: the commas of a flag that comes from m4_foreach_w would part the arguments.
      _AX_LX_TRY([LDFLAGS], [[-Wl,-z,relro]], [LX_LDFLAGS])
      _AX_LX_TRY([LDFLAGS], [[-Wl,-z,now]], [LX_LDFLAGS])
      _AX_LX_TRY([LDFLAGS], [[-Wl,-z,noexecstack]], [LX_LDFLAGS])
      _AX_LX_TRY([LDFLAGS], [-pie], [LX_LDFLAGS])
    ])
  AC_SUBST([LX_WARN_CFLAGS])
  AC_SUBST([LX_CFLAGS])
  AC_SUBST([LX_LDFLAGS])])
