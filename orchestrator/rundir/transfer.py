"""A run's files taken over into another run's folder: linked where possible, else copied.

The source may come from elsewhere. Only regular files of real folders are taken: a symbolic link would lead
out of the run, and a device or a pipe is no evidence.
"""

import os
import shutil
from collections.abc import Set
from pathlib import Path

from orchestrator.adapters.files import is_real_folder, real_folder
from orchestrator.model import Cell
from orchestrator.rundir import layout
from orchestrator.rundir.folder import RunFolder


def take_cell(source: RunFolder, target: RunFolder, cell: Cell, leave_out: Set[str]) -> None:
    """Take over a cell's result and evidence, but for files of the names in `leave_out`.

    What `target` has of the cell is removed; raises HostError where that fails, and OSError where a file
    can be neither linked nor copied.
    """
    target.clear_cell(cell)
    name = layout.cell_folder(cell)
    if is_real_folder(source.path, name):
        _take_tree(f"{source.path}/{name}", f"{target.path}/{name}", leave_out)


def take_images(source: RunFolder, target: RunFolder) -> None:
    """Take over the recipes and logs of images that `target` does not have yet."""
    if is_real_folder(source.path, layout.IMAGES):
        with real_folder(target.path, layout.IMAGES):
            pass
        _take_tree(f"{source.path}/{layout.IMAGES}", f"{target.path}/{layout.IMAGES}", frozenset())


def _take_tree(source: str, target: str, leave_out: Set[str]) -> None:
    Path(target).mkdir(parents=True, exist_ok=True)
    with os.scandir(source) as entries:
        for entry in entries:
            place = f"{target}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                _take_tree(entry.path, place, leave_out)
            elif entry.is_file(follow_symlinks=False) and entry.name not in leave_out:
                _take_file(entry, place)


def _take_file(entry: os.DirEntry[str], place: str) -> None:
    """Link a file of this user, copy any other: its owner could change it later. An existing one stays."""
    if entry.stat(follow_symlinks=False).st_uid == os.geteuid():
        try:
            os.link(entry.path, place, follow_symlinks=False)
        except FileExistsError:
            return
        except OSError:
            pass  # another filesystem, or one without links
        else:
            return
    if not os.path.lexists(place):
        shutil.copyfile(entry.path, place, follow_symlinks=False)
