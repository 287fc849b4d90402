#!/bin/sh
# Build the libraries that CPython's modules use, as static position-independent archives in /opt/deps.
#
#   libraries.sh ZLIB LIBFFI BZIP2 XZ NCURSES READLINE SQLITE OPENSSL
#
# Each argument is a source archive in the current folder. They are linked into the modules that use them, so no base needs to bring them.
set -eu

jobs=$(nproc)
deps=/opt/deps
sources=$(pwd)

unpack() {
    mkdir "/tmp/$1"
    tar -xf "$sources/$2" --strip-components=1 -C "/tmp/$1"
    cd "/tmp/$1"
}

# join INTO ARCHIVE...: one archive of the members of several.
join() {
    into=$1
    shift
    {
        echo "create $into"
        printf 'addlib %s\n' "$@"
        printf 'save\nend\n'
    } | "$AR" -M
    "$RANLIB" "$into"
}

export CFLAGS="-O2 -fPIC"

unpack zlib "$1"
./configure --static --prefix="$deps"
make -j "$jobs" libz.a
make install

unpack libffi "$2"
./configure --prefix="$deps" --libdir="$deps/lib" --disable-shared --with-pic \
    --disable-docs --disable-multi-os-directory --disable-exec-static-tramp
make -j "$jobs"
make install

unpack bzip2 "$3"
make -j "$jobs" CC="$CC" AR="$AR" RANLIB="$RANLIB" CFLAGS="$CFLAGS -D_FILE_OFFSET_BITS=64" libbz2.a
cp libbz2.a "$deps/lib"
cp bzlib.h "$deps/include"

unpack xz "$4"
./configure --prefix="$deps" --disable-shared --with-pic --disable-nls --disable-doc \
    --disable-xz --disable-xzdec --disable-lzmadec --disable-lzmainfo --disable-scripts
make -j "$jobs"
make install

# The base's terminal descriptions where it has some, else these few, compiled in.
unpack ncurses "$5"
./configure --prefix="$deps" --with-build-cc="$CC" --without-shared --without-debug --without-ada --without-cxx \
    --without-cxx-binding --without-manpages --without-progs --without-tests --enable-widec --enable-overwrite \
    --disable-db-install --with-default-terminfo-dir=/usr/share/terminfo \
    --with-terminfo-dirs=/etc/terminfo:/lib/terminfo:/usr/share/terminfo \
    --with-fallbacks=ansi,dumb,linux,screen,vt100,xterm,xterm-256color
make -j "$jobs" libs
make install.libs install.includes

# With ncurses' terminal functions inside, as a library that is linked to it dynamically would have them.
unpack readline "$6"
./configure --prefix="$deps" --disable-shared --enable-static --with-curses --disable-install-examples
make -j "$jobs" static
make install-static install-headers
join "$deps/lib/libreadline.a" libreadline.a "$deps/lib/libncursesw.a"

unpack sqlite "$7"
./configure --disable-shared --disable-tcl --disable-readline
make sqlite3.c
# shellcheck disable=SC2086 # compiler and options are words
$CC $CFLAGS -DSQLITE_THREADSAFE=1 -DSQLITE_ENABLE_FTS3 -DSQLITE_ENABLE_FTS3_PARENTHESIS -DSQLITE_ENABLE_FTS4 \
    -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_ENABLE_COLUMN_METADATA \
    -DSQLITE_ENABLE_DBSTAT_VTAB -DSQLITE_ENABLE_UNLOCK_NOTIFY -c sqlite3.c -o sqlite3.o
"$AR" rcs "$deps/lib/libsqlite3.a" sqlite3.o
cp sqlite3.h src/sqlite3ext.h "$deps/include"

# /etc/ssl: where Debian's package ca-certificates, and an application that brings its own, have them.
unpack openssl "$8"
./Configure "linux-$(uname -m)" no-shared no-tests no-afalgeng --prefix="$deps" --libdir=lib --openssldir=/etc/ssl -fPIC
make -j "$jobs" build_libs
make install_dev
# glibc has pthread_atfork in this archive, which its linker script searches before those that follow on a command line.
# shellcheck disable=SC2086
join "$deps/lib/libcrypto.a" libcrypto.a "$($CC -print-file-name=libpthread_nonshared.a)"

rm -rf "${deps:?}/bin" "${deps:?}/share" "${deps:?}/lib/pkgconfig"
