#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# conftest.sh <folder>: writes a header that says what the kernel has. <folder>/HAVE_X.c that compiles against the
# kernel's headers gives "#define HAVE_X 1". A line "needs-symbol: f" in it asks besides that f is exported.
# Called by Kbuild with CC, CFLAGS and SYMVERS.

set -eu
dir=$1

compiles() {
	# shellcheck disable=SC2086
	$CC $CFLAGS -Werror=implicit-function-declaration -Werror=incompatible-pointer-types -Wno-unused \
		-x c -fsyntax-only "$1" >/dev/null 2>&1
}

exports_all() {
	for symbol in $(sed -n 's/.*needs-symbol: *\([a-zA-Z0-9_]*\).*/\1/p' "$1"); do
		grep -qP "\t$symbol\t" "$SYMVERS" || return 1
	done
}

# Without this a wrong flag would make every kernel look like one that has nothing.
echo '#include <linux/module.h>' | compiles - || {
	echo "conftest: even an empty module does not compile" >&2
	exit 1
}

echo "/* Written by conftest.sh. */"
for probe in "$dir"/*.c; do
	name=$(basename "$probe" .c)
	if compiles "$probe" && exports_all "$probe"; then
		echo "#define $name 1"
	fi
done
