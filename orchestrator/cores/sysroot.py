"""The minimal sysroot of a core: the files of its image that reading it takes, and nothing else.

Mapped ELF files, their debug files by build id, and the links under which the link map names them:
16 MB and 0.8 s where copying /lib and /usr out is 484 MB and 3.6 s, with the same output of gdb
(measured). It is kept by image id in the cache, so that only the first crash of an image fetches.

Every name here comes out of a core or a container and is untrusted. All links in a sysroot are
made here, relative and inside; none is copied.
"""

import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.errors import CoreError, ToolError
from orchestrator.model import Sysroot
from orchestrator.tools.core import Core, MappedModule
from orchestrator.tools.elf import ElfNames, read_names
from orchestrator.tools.engine import Engine

DEBUG: Final = PurePosixPath("/usr/lib/debug/.build-id")
MAX_MODULES: Final = 1000
"""Modules of a core that are fetched; a process with more is not what it seems."""
MAX_FILE: Final = 1 << 30
"""Bytes of one file that are fetched."""
MERGED: Final = ("/lib", "/lib64")
"""Top folders that merged-/usr distributions make links to folders in /usr."""
_IMAGE_ID: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_NAME_ERRORS: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EFBIG}
)
"""What a name or a size out of a hostile core can cause; any other error is this host's."""
_ABSENT: Final = ".absent"
"""The list of files that the image does not have, so that they are asked for once."""


def make_sysroot(
    engine: Engine, image_id: str, core: Core, *, cache: Path, labels: Mapping[str, str]
) -> Sysroot:
    """Make, or complete, the sysroot of an image in `cache` for a core of it.

    `image_id` is the engine's own id of the image, a sha256; `labels` go on the container that is
    held while files are fetched. What cannot be fetched, or is another file than the one that
    crashed, is in the result's problems. Raises EngineError and ToolError.
    """
    match = _IMAGE_ID.fullmatch(image_id)
    if match is None:
        raise ValueError(f"{image_id!r} is no image id")
    folder = cache / match[1]
    with _locked(folder):
        modules = core.modules[:MAX_MODULES]
        missing = _missing(folder, _wanted(modules))
        if missing:
            container = engine.hold(image_id, labels=labels)
            try:
                _fetch(engine, container, folder, missing)
            finally:
                engine.remove(container)
        problems = [problem for module in modules if (problem := _complete(folder, module))]
        _link_loader(folder, core)
    if len(core.modules) > MAX_MODULES:
        problems.append(f"only the first {MAX_MODULES} of {len(core.modules)} modules were fetched")
    return Sysroot(path=str(folder), problems=tuple(problems))


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """One writer a sysroot, among threads and processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wanted(modules: Iterable[MappedModule]) -> list[PurePosixPath]:
    wanted = [PurePosixPath(module.path) for module in modules]
    return wanted + [debug_path(module.build_id) for module in modules if module.build_id]


def debug_path(build_id: str) -> PurePosixPath:
    """Where the debug file of a build id lies (gdb's manual, "Debugging Information in Separate Files")."""
    return DEBUG / build_id[:2] / f"{build_id[2:]}.debug"


def _missing(folder: Path, wanted: Iterable[PurePosixPath]) -> list[PurePosixPath]:
    absent = _read_absent(folder)
    return [path for path in wanted if str(path) not in absent and not _is_here(folder, path)]


def _read_absent(folder: Path) -> frozenset[str]:
    register = folder / _ABSENT
    return frozenset(register.read_text().split("\0")) if register.exists() else frozenset()


def _fetch(engine: Engine, container: str, folder: Path, missing: Iterable[PurePosixPath]) -> None:
    for top in MERGED:
        _link_merged(engine, container, folder, top)
    lost = {str(path) for path in missing if not _fetch_one(engine, container, folder, path)}
    (folder / _ABSENT).write_text("\0".join(sorted(lost | _read_absent(folder))))


def _fetch_one(engine: Engine, container: str, folder: Path, path: PurePosixPath) -> bool:
    """Fetch one regular file; False where the image has no such file or its name cannot be used."""
    try:
        target = place(folder, path)
        for member, content in engine.fetch(container, str(path), limit=MAX_FILE):
            if member.name == path.name:
                target.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(dir=folder) as stream:
                    shutil.copyfileobj(content, stream)
                    stream.flush()
                    os.link(stream.name, target)
                return True
    except ValueError:
        return False
    except OSError as error:
        if error.errno not in _NAME_ERRORS and not isinstance(error, FileNotFoundError):
            mend = f"free space under {folder.parent}, or set CRASHMATRIX_CACHE"
            raise ToolError(f"{path} cannot be kept: {error.strerror}", mend=mend) from error
    return False


def place(folder: Path, path: PurePosixPath) -> Path:
    """Where a path of the image lies in its sysroot; raises ValueError where it would lie outside."""
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{path} is not an absolute path without `..`")
    target = folder / path.relative_to("/")
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{path} leads out of the sysroot")
    return target


def _is_here(folder: Path, path: PurePosixPath) -> bool:
    try:
        return place(folder, path).exists()
    except (OSError, ValueError):
        return False


def _link_merged(engine: Engine, container: str, folder: Path, top: str) -> None:
    """Repeat a top folder's link into /usr; any other link is none that a distribution makes."""
    try:
        target = engine.link_target(container, top)
    except FileNotFoundError:
        return
    if target and target.strip("/") == f"usr{top}":
        (folder / "usr" / top[1:]).mkdir(parents=True, exist_ok=True)
        _link(folder / top[1:], folder / "usr" / top[1:])


def _complete(folder: Path, module: MappedModule) -> str | None:
    """Link a module's soname, under which the link map has it, and say what is wrong with the module."""
    path = PurePosixPath(module.path)
    if not _is_here(folder, path):
        return f"{module.path} is not in the image, so its frames have no names"
    file = place(folder, path)
    try:
        names = read_names(file)
    except CoreError as error:
        return f"{module.path}: {error.what}"
    if names.soname and PurePosixPath(names.soname).name == names.soname:
        _link(file.parent / names.soname, file)
    return _differs(module, names)


def _differs(module: MappedModule, names: ElfNames) -> str | None:
    if module.build_id == names.build_id:
        return None
    return (
        f"{module.path} is not the file that crashed: build id {module.build_id or 'unknown'} in the core, "
        f"{names.build_id or 'none'} in the image; names in it may be wrong"
    )


def _link_loader(folder: Path, core: Core) -> None:
    """Link the loader under the name that the program asks for (PT_INTERP), where that is another path."""
    program, loader = core.executable, core.loader
    if not program or not loader or not _is_here(folder, PurePosixPath(program.path)):
        return
    try:
        wanted = read_names(place(folder, PurePosixPath(program.path))).interpreter
        if wanted and _is_here(folder, PurePosixPath(loader.path)):
            link = place(folder, PurePosixPath(wanted))
            link.parent.mkdir(parents=True, exist_ok=True)
            _link(link, place(folder, PurePosixPath(loader.path)))
    except (CoreError, OSError, ValueError):
        return  # `_complete` has said already what is wrong with the program


def _link(link: Path, target: Path) -> None:
    """Make a relative link, unless something is there."""
    if not link.exists() and not link.is_symlink():
        link.symlink_to(os.path.relpath(target.resolve(), link.parent.resolve()))
