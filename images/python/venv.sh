#!/bin/sh
# What `python3 -m venv` makes, around files that are there already.
#
#   venv.sh FOLDER PROGRAM VERSION
set -eu

series=$(echo "$3" | cut -d . -f 1,2)
mkdir -p "$1/bin" "$1/lib/python$series/site-packages"
cd "$1"
ln -sfn lib lib64
ln -sf "$2" bin/python3
ln -sf python3 bin/python
ln -sf python3 "bin/python$series"
printf 'home = %s\ninclude-system-site-packages = false\nversion = %s\n' "$(dirname "$2")" "$3" > pyvenv.cfg
