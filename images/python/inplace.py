"""Add what was built of a package to the copy of its sources, as `build_ext --inplace` does.

Where the folder of the user's code holds the package itself, that folder comes before the installed package
on `sys.path`, and lacks its compiled modules. Files that are there already stay as they are, unless the
package was built from another state of its sources than the folder has: then the built ones replace them.
So does a file that stands where the wheel has a folder, and a folder where it has a file.
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILT = "file:///wheels/"
"""Where pip found a wheel that was built from source (Dockerfile.source.j2), as PEP 610 notes it."""
REPLACE = "replace"


def built_files(packages: Path) -> Iterator[PurePosixPath]:
    """The files of the packages that were built, relative to the folder of installed packages."""
    for noted in sorted(packages.glob("*.dist-info/direct_url.json")):
        if json.loads(noted.read_text(encoding="utf-8"))["url"].startswith(BUILT):
            lines = (noted.parent / "RECORD").read_text(encoding="utf-8").splitlines()
            yield from (PurePosixPath(row[0]) for row in csv.reader(lines) if row)


def is_shared(path: PurePosixPath, code: Path) -> bool:
    """Whether a file belongs to an importable package that the user's code holds too."""
    inside = len(path.parts) > 1 and not path.is_absolute() and ".." not in path.parts
    return inside and (code / path.parts[0] / "__init__.py").is_file()


def clear_place(path: Path, code: Path) -> None:
    """Remove what is in a file's way: a file where its folder would be, a folder where itself would be."""
    for parent in path.relative_to(code).parents:
        if (code / parent).is_file():
            (code / parent).unlink()
    if path.is_dir():
        shutil.rmtree(str(path))


def obstacle(path: Path, code: Path) -> Path | None:
    """A file of the user's where a folder of the wheel would be; None where there is none."""
    inside = path.relative_to(code).parents
    return next((code / parent for parent in inside if (code / parent).is_file()), None)


def add(built: Path, path: Path, code: Path, mode: str) -> str | None:
    """Copy a built file unless one is there already; returns a line that says what was done."""
    name, inside = path.relative_to(code), obstacle(path, code)
    if mode == REPLACE:
        clear_place(path, code)
    elif inside:
        return f"{name} is left out: {inside.relative_to(code)} of your code is a file"
    elif path.exists():
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(str(built), str(path))
    return str(name)


def main(venv: str, code: str, mode: str) -> None:
    """Add the files that are lacking, or all with the mode `replace`, and say which."""
    for packages in Path(venv).glob("lib/python*/site-packages"):
        for path in built_files(packages):
            if is_shared(path, Path(code)):
                said = add(packages / path, Path(code) / path, Path(code), mode)
                if said:
                    print(said)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
