#!/bin/sh
# What `python3 -m venv` makes, around files that are there already.
#
#   venv.sh FOLDER PROGRAM VERSION
#
# A VERSION that ends in t is free-threaded, as is then the name of the folder of its library.
set -eu

series=$(echo "$3" | sed 's/^\([0-9]*\.[0-9]*\)[.0-9]*/\1/')
mkdir -p "$1/bin" "$1/lib/python$series/site-packages"
cd "$1"
ln -sfn lib lib64
ln -sf "$2" bin/python3
ln -sf python3 bin/python
ln -sf python3 "bin/python$series"
printf 'home = %s\ninclude-system-site-packages = false\nversion = %s\n' "$(dirname "$2")" "$3" > pyvenv.cfg
