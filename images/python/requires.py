"""Say whether all that a built package requires at run time is installed.

Runs by the environment's interpreter in the virtual environment that built the wheel: pip brings what reads
requirements and their markers.
"""

from __future__ import annotations

import os
import sys
import zipfile
from email.parser import HeaderParser

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name


def requirements(folder: str) -> list[str]:
    """The requirements in the metadata of every wheel of a folder."""
    found: list[str] = []
    for name in sorted(os.listdir(folder)):
        with zipfile.ZipFile(os.path.join(folder, name)) as wheel:
            metadata = next(path for path in wheel.namelist() if path.endswith(".dist-info/METADATA"))
            headers = HeaderParser().parsestr(wheel.read(metadata).decode())
            found += [str(line) for line in headers.get_all("Requires-Dist") or []]
    return found


def main(pins: str, folder: str) -> int:
    """Check; returns the exit status."""
    with open(pins, encoding="utf-8") as lines:
        installed = dict(line.strip().split("==", 1) for line in lines if "==" in line)
    lacking = []
    for text in requirements(folder):
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = installed.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            lacking.append(text.split(";")[0].strip())
    if lacking:
        print(f"error: the built package also requires {', '.join(lacking)}; name this under `requires:`")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
