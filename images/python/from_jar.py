"""Lay out the CPython of a Java archive (JavaCPP's presets) as `make install` lays one out.

    python3 from_jar.py ARCHIVE.jar PREFIX ZLIB

A Java archive has no links and no file modes. This one keeps libpython and libffi above `bin` and `lib`,
where only its Java classes look. Extension modules search their own folder first ($ORIGIN), so libffi is
moved there, and ZLIB (a libz.so.1) is copied there, since a base may have none.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

UNUSED = ("test", "idlelib", "turtledemo", "lib2to3", "ensurepip", "site-packages")
"""Folders of the standard library that no cell imports; the portable interpreters lack them, too."""


def extract(archive: Path, prefix: Path) -> None:
    """Write the tree around `bin/python3` to `prefix`; raises ValueError unless there is exactly one."""
    with zipfile.ZipFile(archive) as jar:
        names = [name for name in jar.namelist() if not name.endswith("/")]
        (program,) = (name for name in names if name.endswith("/bin/python3"))
        root = program.removesuffix("bin/python3")
        for name in names:
            place = prefix / name.removeprefix(root)
            if name.startswith(root) and ".." not in place.parts:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(jar.read(name))


def arrange(prefix: Path, zlib: Path) -> None:
    """Move programs and libraries to where they are searched for, and remove what no cell uses."""
    (library,) = prefix.glob("libpython3.*.so.1.0")
    series = library.name.removeprefix("libpython").removesuffix(".so.1.0")
    standard = prefix / "lib" / f"python{series}"
    modules = standard / "lib-dynload"
    library.rename(prefix / "lib" / library.name)
    (prefix / "lib" / f"libpython{series}.so").symlink_to(library.name)
    for path in prefix.glob("libffi.so.*"):
        path.rename(modules / path.name)
    shutil.copyfile(zlib, modules / "libz.so.1")
    (prefix / "bin" / f"python{series}").chmod(0o755)
    (prefix / "bin" / "python3").unlink()
    (prefix / "bin" / "python3").symlink_to(f"python{series}")
    for folder in (prefix / "share", *(standard / name for name in UNUSED)):
        if folder.exists():
            shutil.rmtree(folder)
    for path in [path for path in prefix.iterdir() if path.is_file()]:
        path.unlink()


def main(archive: str, prefix: str, zlib: str) -> None:
    """Make the tree of an archive at `prefix`."""
    extract(Path(archive), Path(prefix))
    arrange(Path(prefix), Path(zlib))


if __name__ == "__main__":
    main(*sys.argv[1:])
