# Macros of configure.ac: build flavours, compiler flags, and a search for libraries
# that ends with one line to type.

# PROVBOX_DEFAULT_CFLAGS: before AC_PROG_CC, which would set its own default.
AC_DEFUN([PROVBOX_DEFAULT_CFLAGS], [
AS_IF([test "x${enable_sanitize-no}" != xno || test "x${enable_fuzz-no}" != xno],
      [: ${CFLAGS="-g -O1"}],
      [: ${CFLAGS="-g -O2"}])
])

AC_DEFUN([PROVBOX_ENABLE_WERROR], [
AC_ARG_ENABLE([werror],
	[AS_HELP_STRING([--enable-werror], [treat compiler warnings as errors])],
	[], [enable_werror=no])
])

AC_DEFUN([PROVBOX_ENABLE_SANITIZE], [
AC_ARG_ENABLE([sanitize],
	[AS_HELP_STRING([--enable-sanitize],
		[build with the address and undefined behaviour sanitizers])],
	[], [enable_sanitize=no])
AM_CONDITIONAL([SANITIZE], [test "x$enable_sanitize" != xno])
])

# The fuzz targets need libFuzzer, which only clang brings.
AC_DEFUN([PROVBOX_ENABLE_FUZZ], [
AC_ARG_ENABLE([fuzz],
	[AS_HELP_STRING([--enable-fuzz], [build the fuzz targets (CC=clang)])],
	[], [enable_fuzz=no])
AM_CONDITIONAL([FUZZ], [test "x$enable_fuzz" != xno])
AS_VAR_IF([enable_fuzz], [no], [], [
	AC_MSG_CHECKING([whether $CC links a libFuzzer target])
	provbox_saved_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -fsanitize=fuzzer"
	AC_LINK_IFELSE([AC_LANG_SOURCE([[
		int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n);
		int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n)
		{ return n > 0 && p[0] == 256; }]])],
		[AC_MSG_RESULT([yes])],
		[AC_MSG_RESULT([no])
		 AC_MSG_ERROR([--enable-fuzz needs clang: apt-get install clang, then configure with CC=clang])])
	CFLAGS=$provbox_saved_CFLAGS
])
])

# PROVBOX_COMPILER_FLAGS: what the build needs whatever the user's CFLAGS say.
AC_DEFUN([PROVBOX_COMPILER_FLAGS], [
PROVBOX_CFLAGS="-std=c11 -fPIE -fno-strict-aliasing -fstack-protector-strong"
PROVBOX_CFLAGS="$PROVBOX_CFLAGS -Wall -Wextra -Wshadow -Wstrict-prototypes"
PROVBOX_CFLAGS="$PROVBOX_CFLAGS -Wmissing-prototypes -Wformat=2 -Wvla -Wundef"
PROVBOX_CFLAGS="$PROVBOX_CFLAGS -Wpointer-arith"
# A row of a table may leave out what is zero; clang would have all of it.
PROVBOX_CFLAGS="$PROVBOX_CFLAGS -Wno-missing-field-initializers"
PROVBOX_CPPFLAGS="-D_GNU_SOURCE -DOPENSSL_API_COMPAT=30000 -DOPENSSL_NO_DEPRECATED"
PROVBOX_LDFLAGS="-pie -Wl,-z,relro -Wl,-z,now -Wl,--as-needed"
AS_VAR_IF([enable_werror], [no], [], [PROVBOX_CFLAGS="$PROVBOX_CFLAGS -Werror"])

provbox_sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=all"
provbox_sanitizers="$provbox_sanitizers -fno-omit-frame-pointer"
AS_IF([test "x$enable_fuzz" != xno || test "x$enable_sanitize" != xno],
      [PROVBOX_CPPFLAGS="$PROVBOX_CPPFLAGS -DPROVBOX_SANITIZED"])
AS_IF([test "x$enable_fuzz" != xno], [
	provbox_coverage="-fprofile-instr-generate -fcoverage-mapping"
	PROVBOX_CFLAGS="$PROVBOX_CFLAGS $provbox_sanitizers -fsanitize=fuzzer-no-link"
	PROVBOX_CFLAGS="$PROVBOX_CFLAGS $provbox_coverage"
	PROVBOX_LDFLAGS="$PROVBOX_LDFLAGS $provbox_sanitizers $provbox_coverage"
], [test "x$enable_sanitize" != xno], [
	PROVBOX_CFLAGS="$PROVBOX_CFLAGS $provbox_sanitizers"
	PROVBOX_LDFLAGS="$PROVBOX_LDFLAGS $provbox_sanitizers"
], [
	# glibc's checks need an optimiser and disagree with the sanitizers' own.
	AS_CASE([" $CFLAGS "], [*" -O0 "*], [],
		[PROVBOX_CPPFLAGS="$PROVBOX_CPPFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])
])
AC_SUBST([PROVBOX_CFLAGS])
AC_SUBST([PROVBOX_CPPFLAGS])
AC_SUBST([PROVBOX_LDFLAGS])
])

# PROVBOX_LIBRARY(VARIABLE, PKG-CONFIG MODULES, DEBIAN PACKAGE)
AC_DEFUN([PROVBOX_LIBRARY], [
PKG_CHECK_MODULES([$1], [$2], [],
	[provbox_missing_packages="$provbox_missing_packages $3"])
])

AC_DEFUN([PROVBOX_LIBRARIES_END], [
AS_VAR_IF([provbox_missing_packages], [], [], [
	AC_MSG_ERROR([libraries are missing. Type:

    apt-get install$provbox_missing_packages
])
])
])

# PROVBOX_SYSTEMD
# Where units go: below the prefix, where systemd looks for them whether that is /usr or
# /usr/local.
AC_DEFUN([PROVBOX_SYSTEMD], [
AC_ARG_WITH([systemdsystemunitdir],
	[AS_HELP_STRING([--with-systemdsystemunitdir=DIR],
		[systemd units (default PREFIX/lib/systemd/system; no: none)])],
	[], [with_systemdsystemunitdir='${prefix}/lib/systemd/system'])
AM_CONDITIONAL([SYSTEMD], [test "$with_systemdsystemunitdir" != no])
AC_SUBST([systemdsystemunitdir], [$with_systemdsystemunitdir])
])
