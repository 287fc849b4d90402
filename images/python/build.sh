#!/bin/sh
# Build one CPython with the cross toolchain of the lowest glibc, to run on every glibc from there on.
#
#   build.sh VERSION PYTHON.tar ZLIB.tar LIBFFI.tar
#
# It lies in /opt/crashmatrix/python, finds its libpython by its own place, and has its debug information apart in
# /usr/lib/debug. zlib and libffi are linked into the modules that use them: no base needs to bring them.
set -eu

target=$(ls /opt/gcc/lib/gcc)
jobs=$(nproc)
deps=/opt/deps
prefix=/opt/crashmatrix/python

unpack() {
    mkdir "$2"
    tar -xf "$1" --strip-components=1 -C "$2"
}

# setup.py of 3.9 and 3.11 looks for headers there, whatever the compiler, and would mix two C libraries.
rm -rf /usr/include

unpack "$3" /tmp/zlib
(cd /tmp/zlib && CFLAGS="-O2 -fPIC" ./configure --static --prefix="$deps" && make -j "$jobs" libz.a && make install)

unpack "$4" /tmp/libffi
(cd /tmp/libffi && ./configure --prefix="$deps" --libdir="$deps/lib" --disable-shared --with-pic \
    --disable-docs --disable-multi-os-directory --disable-exec-static-tramp && make -j "$jobs" && make install)

unpack "$2" /tmp/cpython
cd /tmp/cpython
# Nothing in a cell runs these, and installing them takes longer than compiling the interpreter.
rm -rf Lib/test Lib/*/test Lib/*/tests Lib/lib2to3 Lib/idlelib Lib/turtledemo Lib/ensurepip
export CFLAGS="-fdebug-prefix-map=/tmp/cpython=cpython" CPPFLAGS="-I$deps/include" LDFLAGS="-L$deps/lib -Wl,--build-id=sha1"
export PKG_CONFIG=false LIBFFI_CFLAGS="-I$deps/include" LIBFFI_LIBS="-L$deps/lib -lffi"
# mimalloc needs C11 atomics, which gcc 4.8.5 lacks; before 3.13 there is none.
mimalloc=$(./configure --help | grep -q -e --with-mimalloc && echo --without-mimalloc || true)
./configure --prefix="$prefix" --enable-shared --with-ensurepip=no $mimalloc
# Cells run Python without -O, and compiling the library three times is most of an emulated build.
sed -i 's/-o 0 -o 1 -o 2/-o 0/; s/$(PYTHON_FOR_BUILD) -Wi -OO\{0,1\} /: /' Makefile
# $ORIGIN: the program finds its libpython wherever the tree lies.
make -j "$jobs" LINKFORSHARED="-Xlinker -export-dynamic -Wl,-rpath,'\$\$ORIGIN/../lib'"
make install LINKFORSHARED="-Xlinker -export-dynamic -Wl,-rpath,'\$\$ORIGIN/../lib'"

cd "$prefix"
rm -rf lib/python3.*/config-*/*.a share
mkdir -p /opt/crashmatrix/bin
ln -s ../python/bin/python3 /opt/crashmatrix/bin/python3

# Debug information by build id, as Debian's -dbg packages have it, so that a core reader finds it alike.
find "$prefix" -type f \( -name '*.so' -o -name '*.so.*' -o -path '*/bin/python3.*' \) | while read -r file; do
    id=$("$target-readelf" -n "$file" 2>/dev/null | sed -n 's/.*Build ID: //p')
    test -n "$id" || continue
    debug="/usr/lib/debug/.build-id/$(echo "$id" | cut -c1-2)/$(echo "$id" | cut -c3-).debug"
    mkdir -p "$(dirname "$debug")"
    "$target-objcopy" --only-keep-debug "$file" "$debug"
    chmod u+w "$file"
    "$target-strip" --strip-unneeded "$file"
done

cp /src/check.py "$prefix"
"$prefix/bin/python3" -B "$prefix/check.py" "$1"
