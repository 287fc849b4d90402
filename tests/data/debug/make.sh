#!/bin/sh
# Makes the files of this folder, in $1: one program whose debug information lies in each place where tools
# put it. They all have the same code and build id, so that one core is of all of them. gcc 12, binutils 2.40,
# dwz 0.15, llvm-dwp 14 (GNU dwp 2.40 loses DWARF 5), on x86-64.
set -eu
here=$(cd "$(dirname "$0")" && pwd) work=$1
mkdir -p "$work" && cd "$work" && cp "$here"/*.c "$here"/*.h .
id=0x6372617368206d61747269782064656275670001
common="-O2 -g -gdwarf-5 -static -nostdlib -ffreestanding -fno-stack-protector -fcf-protection=none -ffile-prefix-map=$work=/src"
build() { # NAME OPTIONS: compiled in parts, as .dwo files are named after these
    name=$1; shift
    for part in inner outer; do gcc $common "$@" -c $part.c -o $part.o; done
    gcc $common "$@" -Wl,--build-id=$id -o "$name" inner.o outer.o
}
build whole
for way in zlib zstd zlib-gnu; do objcopy --compress-debug-sections=$way whole $way; done
objcopy --only-keep-debug whole linked.debug
objcopy --strip-all --add-gnu-debuglink=linked.debug whole linked
objcopy --strip-all whole stripped
# dwz takes several files to make one that they share.
objcopy --only-keep-debug whole alt.debug && cp alt.debug other.debug
dwz -m shared.dwz -M ../.dwz/shared.dwz alt.debug other.debug
# Mini debug information, as Fedora's find-debuginfo makes it: only symbols, in xz.
objcopy --only-keep-debug --strip-debug --remove-section=.comment whole mini.symbols
xz -f --check=crc32 mini.symbols
objcopy --strip-all --add-section .gnu_debugdata=mini.symbols.xz whole mini
build split -gsplit-dwarf
llvm-dwp -o split.dwp inner.dwo outer.dwo
mkdir -p five four && mv inner.dwo outer.dwo five/
build split4 -gdwarf-4 -gsplit-dwarf -fdebug-prefix-map="$work"=/src4
mv inner.dwo outer.dwo four/ && dwp -o split4.dwp four/inner.dwo four/outer.dwo
# Another code: without .eh_frame, so with another build id.
id=0x6372617368206d61747269782064656275670002
build framed -fno-asynchronous-unwind-tables -fno-unwind-tables
objcopy --only-keep-debug framed framed.debug
objcopy --strip-all --add-gnu-debuglink=framed.debug framed framed-linked
