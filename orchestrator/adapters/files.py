"""Files that a run leaves: written whole or not at all, so that a run can be resumed from them."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from orchestrator.errors import HostError, Location


def write_atomically(path: Path, text: str | Iterable[str]) -> None:
    """Write a text or its pieces under a temporary name and rename it; readers see the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.writelines([text] if isinstance(text, str) else text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def remove_tree(path: Path, what: str) -> None:
    """Remove a folder and all in it, if it is there; links are removed, not followed.

    `what` names the contents in the error. Raises HostError with the path of the first file that cannot be
    removed, also where it is unknown whether there is one, since a folder above cannot be searched.
    """

    def fail(_function: Callable[..., object], name: str, error: BaseException) -> None:
        if isinstance(error, FileNotFoundError):  # nothing was there, or another process removed it
            return
        if not isinstance(error, OSError):
            raise error
        raise HostError(
            f"{what} cannot be removed: {error.strerror or error}",
            where=Location(file=name),
            hint="remove it by hand and run again",
        ) from error

    if sys.version_info >= (3, 12):
        shutil.rmtree(path, onexc=fail)
    else:
        shutil.rmtree(path, onerror=lambda function, name, info: fail(function, name, info[1]))
