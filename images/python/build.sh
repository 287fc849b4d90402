#!/bin/sh
# Build one CPython with the cross toolchain of the lowest glibc, to run on every glibc from there on.
#
#   build.sh VERSION PYTHON.tar
#
# A VERSION that ends in t is free-threaded, and needs a compiler with C11's atomics in CC. CPython lies in
# /opt/crashmatrix/python, finds its libpython by its own place, and has its debug information apart in
# /usr/lib/debug. What /opt/deps has is linked into the modules that use it: no base needs to bring it.
set -eu

target=$(ls /opt/gcc/lib/gcc)
jobs=$(nproc)
deps=/opt/deps
prefix=/opt/crashmatrix/python
prefix_map="-fdebug-prefix-map=/tmp/cpython=cpython"
# --exclude-libs: a module exports nothing of the libraries inside it, so no other library ever binds to it.
hidden="-Wl,--exclude-libs,ALL"

# setup.py of 3.9 and 3.11 looks for headers there, whatever the compiler, and would mix two C libraries.
rm -rf /usr/include

mkdir /tmp/cpython
tar -xf "$2" --strip-components=1 -C /tmp/cpython
cd /tmp/cpython
# Nothing in a cell runs these, and installing them takes longer than compiling the interpreter.
rm -rf Lib/test Lib/*/test Lib/*/tests Lib/lib2to3 Lib/idlelib Lib/turtledemo Lib/ensurepip
export CFLAGS="$prefix_map" CPPFLAGS="-I$deps/include" PKG_CONFIG=false
# The libraries inside a module need these three of glibc's.
export LDFLAGS="-L$deps/lib -Wl,--build-id=sha1 $hidden -lpthread -ldl -lm"
export LIBFFI_CFLAGS="-I$deps/include" LIBFFI_LIBS="-L$deps/lib -lffi"
case $1 in
*t) threads=--disable-gil ;;
# mimalloc needs C11 atomics, which gcc 4.8.5 lacks; before 3.13 there is none.
*) threads=$(./configure --help | grep -q -e --with-mimalloc && echo --without-mimalloc || true) ;;
esac
./configure --prefix="$prefix" --enable-shared --with-ensurepip=no --with-openssl="$deps" $threads
# Cells run Python without -O, and compiling the library three times is most of an emulated build.
sed -i 's/-o 0 -o 1 -o 2/-o 0/; s/$(PYTHON_FOR_BUILD) -Wi -OO\{0,1\} /: /' Makefile
# $ORIGIN: the program finds its libpython wherever the tree lies.
make -j "$jobs" LINKFORSHARED="-Xlinker -export-dynamic -Wl,-rpath,'\$\$ORIGIN/../lib'"
make install LINKFORSHARED="-Xlinker -export-dynamic -Wl,-rpath,'\$\$ORIGIN/../lib'"

cd "$prefix"
rm -rf lib/python3.*/config-*/*.a share
mkdir -p /opt/crashmatrix/bin
ln -s ../python/bin/python3 /opt/crashmatrix/bin/python3
# An extension that is compiled for this CPython elsewhere has other compilers, and nothing of this machine.
sed -i -e "s|$CC|gcc|g; s|$target-||g; s|$prefix_map||g; s|$hidden -lpthread -ldl -lm||g; s|-[IL]$deps/[a-z]*||g" \
    lib/python3.*/_sysconfigdata_*.py lib/python3.*/config-*/Makefile

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
