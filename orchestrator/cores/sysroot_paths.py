"""Places and links in a sysroot: none leads out of it."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.core.modules import MappedModule
from orchestrator.binary.elf.files import read_names
from orchestrator.errors import CoreError

# Top folders that merged-/usr distributions replace by links into /usr (file-hierarchy(7)).
MERGED: Final = ("/lib", "/lib64", "/lib32", "/libx32")


def place(folder: Path, path: PurePosixPath) -> Path:
    """The place of a path of the image in its sysroot; raises ValueError for one that leads outside."""
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{path} is not an absolute path without `..`")
    target = folder / path.relative_to("/")
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{path} leads out of the sysroot")
    return target


def is_here(folder: Path, path: PurePosixPath) -> bool:
    """Whether a file of the image is in its sysroot already."""
    try:
        return place(folder, path).is_file()
    except (OSError, ValueError):
        return False


def link_merged(folder: Path, modules: Sequence[MappedModule]) -> None:
    """Link /lib to /usr/lib, as merged-/usr distributions do, unless a module lies in /lib itself.

    The core has real paths, the link map those before links were followed. A top folder that no module lies
    in can be a link without harm.
    """
    for top in MERGED:
        if not any(module.path.startswith(f"{top}/") for module in modules):
            (folder / "usr" / top[1:]).mkdir(parents=True, exist_ok=True)
            link_inside(folder / top[1:], folder / "usr" / top[1:])


def link_loader(folder: Path, core: Core) -> None:
    """Link the loader by the name in the program's PT_INTERP, where that is another path."""
    program, loader = core.executable, core.loader
    if not program or not loader or not is_here(folder, PurePosixPath(program.path)):
        return
    try:
        wanted = read_names(place(folder, PurePosixPath(program.path))).interpreter
        if wanted and is_here(folder, PurePosixPath(loader.path)):
            link = place(folder, PurePosixPath(wanted))
            link.parent.mkdir(parents=True, exist_ok=True)
            link_inside(link, place(folder, PurePosixPath(loader.path)))
    except (CoreError, OSError, ValueError):
        return  # the problems of the program have been noted already


def link_inside(link: Path, target: Path) -> None:
    """Make a relative link, unless its place is taken."""
    if not link.exists() and not link.is_symlink():
        link.symlink_to(os.path.relpath(target.resolve(), link.parent.resolve()))
