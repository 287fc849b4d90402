"""The minimal sysroot of a core: the files of its root that reading it takes, and nothing else.

Mapped ELF files, their debug files by build id, and the links under which the link map names them:
16 MB and 0.8 s where copying /lib and /usr out is 484 MB and 3.6 s, with the same output of gdb
(measured). An image's sysroot is kept, so that only the first crash of an image fetches; and each
file is kept by its build id, so that images which share a base fetch its files once.

Every name here comes out of a core or a container and is untrusted. All links in a sysroot are
made here, relative and inside; none is copied. A file is used only where its build id is the one in
the core; that ids are what they say is taken from whoever made the images.
"""

import errno
import fcntl
import os
import re
import tempfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.adapters.engine import Engine
from orchestrator.binary.core.corefile import Core
from orchestrator.binary.core.modules import MappedModule
from orchestrator.binary.elf.files import read_names
from orchestrator.cores.linkmap import Listed, find_modules
from orchestrator.cores.sources import Source, image_source
from orchestrator.errors import CoreError, ToolError
from orchestrator.model import Sysroot

DEBUG: Final = PurePosixPath("/usr/lib/debug/.build-id")
MAX_MODULES: Final = 1000
"""Modules of a core that are fetched; a process with more is not what it seems."""
MERGED: Final = ("/lib", "/lib64")
"""Top folders that merged-/usr distributions make links to folders in /usr (file-hierarchy(7))."""
SYSROOTS: Final = "sysroots"
"""The folder of the cache that has images' sysroots."""
STORE: Final = "by-build-id"
_IMAGE_ID: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_BUILD_ID: Final = re.compile(r"[0-9a-f]{8,128}")
_NAME_ERRORS: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EFBIG, errno.ELOOP,
     errno.EACCES, errno.EPERM}
)  # fmt: skip
"""What a name or a size out of a hostile core can cause; any other error is this host's."""
_ABSENT: Final = ".absent"
"""The list of files that the source does not have, so that they are asked for once."""


def image_sysroot(
    engine: Engine, image_id: str, core: Core, *, cache: Path, labels: Mapping[str, str]
) -> tuple[Core, Sysroot]:
    """Make, or complete, the sysroot of an image in `cache` for a core of it; see `make_sysroot`.

    `image_id` is the engine's own id of the image, a sha256; `labels` go on the container that is
    held while files are fetched. Raises EngineError and ToolError.
    """
    match = _IMAGE_ID.fullmatch(image_id)
    if match is None:
        raise ValueError(f"{image_id!r} is no image id")
    with image_source(engine, image_id, labels) as source:
        return make_sysroot(source, core, folder=cache / match[1], store=cache / STORE)


def make_sysroot(
    source: Source, core: Core, *, folder: Path, store: Path | None = None
) -> tuple[Core, Sysroot]:
    """Make, or complete, the sysroot of a core in `folder`, with the files that `source` has of it.

    The core that is returned knows its modules: those of one that lists no mapped files are found by the
    program's file.

    `store` keeps verified files by build id, on the same filesystem; only for images that were made from
    the same packages, since a stripped file has the build id of the whole one. What cannot be had, or is
    another file than the one that crashed and so is not used, is in the result's problems. Raises
    EngineError and ToolError.
    """
    with _locked(folder):
        maker = _Maker(source=source, folder=folder, store=store)
        listed = find_modules(core, maker.bring) if not core.files else Listed()
        if listed.modules:
            core = core.with_modules(listed.modules)
        modules = core.modules[:MAX_MODULES]
        _link_merged(folder, modules)
        problems = [_not_there(name, source) for name in listed.absent] + maker.add(modules)
        _link_loader(folder, core)
    if len(core.modules) > MAX_MODULES:
        problems.append(f"only the first {MAX_MODULES} of {len(core.modules)} modules were fetched")
    return core, Sysroot(path=str(folder), problems=tuple(problems))


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """One writer a sysroot, among threads and processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _Maker:
    """Fills one sysroot."""

    def __init__(self, *, source: Source, folder: Path, store: Path | None) -> None:
        self._source = source
        self._folder = folder
        self._store = store
        register = folder / _ABSENT
        self._known_absent = frozenset(register.read_text().split("\0")) if register.exists() else frozenset()
        self._absent: set[str] = set()

    def bring(self, path: PurePosixPath) -> Path | None:
        """One file of the root, unverified; None where it is not there."""
        return place(self._folder, path) if self._have(path, None, debug=False) else None

    def add(self, modules: Iterable[MappedModule]) -> list[str]:
        """Bring every module and its debug file; returns what is wrong, in words."""
        problems, unchecked = [], []
        for module in modules:
            problem = self._add(module)
            if problem:
                problems.append(problem)
            elif module.build_id is None:
                unchecked.append(module.path)
        if self._absent - self._known_absent:
            (self._folder / _ABSENT).write_text("\0".join(sorted(self._absent | self._known_absent)))
        if unchecked:
            problems.append(_not_checked(unchecked))
        return problems

    def _add(self, module: MappedModule) -> str | None:
        path = PurePosixPath(module.path)
        if not self._have(path, module.build_id, debug=False):
            return _not_there(module.path, self._source)
        if problem := self._verify(path, module):
            return problem
        # Where the core does not say which file it was, the debug file goes with the one that is there.
        build_id = module.build_id or read_names(place(self._folder, path)).build_id
        if build_id and _BUILD_ID.fullmatch(build_id):
            self._have(debug_path(build_id), build_id, debug=True)
        return None

    def _verify(self, path: PurePosixPath, module: MappedModule) -> str | None:
        """Take a file out again that is not the one that crashed; link the name the loader knows it by."""
        file = place(self._folder, path)
        try:
            names = read_names(file)
        except CoreError as error:
            file.unlink()
            return f"{module.path}: {error.what}; it is not used"
        if module.build_id and names.build_id != module.build_id:
            self._forget(file, module.build_id)
            return (
                f"{module.path} is not the file that crashed and is not used: build id {module.build_id} "
                f"in the core, {names.build_id or 'none'} in {self._source}; its frames have no names"
            )
        self._keep(file, module.build_id, debug=False)
        if names.soname and PurePosixPath(names.soname).name == names.soname:
            _link(file.parent / names.soname, file)
        return None

    def _have(self, path: PurePosixPath, build_id: str | None, *, debug: bool) -> bool:
        """Whether a file is in the sysroot, if need be after it was brought there."""
        if _is_here(self._folder, path):
            return True
        try:
            if self._from_store(path, build_id, debug=debug):
                return True
            if str(path) in self._known_absent or not self._fetch(path):
                self._absent.add(str(path))
                return False
        except ValueError:
            return False
        except OSError as error:
            if error.errno not in _NAME_ERRORS:
                hint = f"free space under {self._folder.parent}, or set CRASHMATRIX_CACHE"
                raise ToolError(f"{path} cannot be kept: {error.strerror}", hint=hint) from error
            return False
        if debug:
            self._keep(place(self._folder, path), build_id, debug=True)
        return True

    def _fetch(self, path: PurePosixPath) -> bool:
        target = place(self._folder, path)
        with tempfile.NamedTemporaryFile(dir=self._folder) as stream:
            if not self._source.copy(path, stream):
                return False
            stream.flush()
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(stream.name, target)
        return True

    def _stored(self, build_id: str | None, *, debug: bool) -> Path | None:
        """Where the store has, or would have, a file."""
        if self._store is None or not build_id or not _BUILD_ID.fullmatch(build_id):
            return None
        return self._store / build_id[:2] / f"{build_id[2:]}{'.debug' if debug else '.elf'}"

    def _from_store(self, path: PurePosixPath, build_id: str | None, *, debug: bool) -> bool:
        kept = self._stored(build_id, debug=debug)
        if kept is None or not kept.exists():
            return False
        target = place(self._folder, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(kept, target)
        return True

    def _keep(self, file: Path, build_id: str | None, *, debug: bool) -> None:
        kept = self._stored(build_id, debug=debug)
        if kept and not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                os.link(file, kept)

    def _forget(self, file: Path, build_id: str) -> None:
        """Remove a file that is not what it should be, also where the store has just that file."""
        kept = self._stored(build_id, debug=False)
        if kept and kept.exists() and kept.samefile(file):
            kept.unlink()
        file.unlink()


def _not_there(path: str, source: Source) -> str:
    return f"{path} is not in {source}, so its frames have no names"


def _not_checked(paths: list[str]) -> str:
    some = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    return (
        f"build ids that the core does not hold: of {some}; that these are the crashed files is not checked"
    )


def debug_path(build_id: str) -> PurePosixPath:
    """Where the debug file of a build id lies (gdb's manual, "Debugging Information in Separate Files")."""
    return DEBUG / build_id[:2] / f"{build_id[2:]}.debug"


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
        return place(folder, path).is_file()
    except (OSError, ValueError):
        return False


def _link_merged(folder: Path, modules: Sequence[MappedModule]) -> None:
    """Let /lib mean /usr/lib where no module lies in a /lib of its own, as merged-/usr distributions do.

    The core has real paths, the link map the ones before links. Where nothing is under a top folder,
    such a link can mislead nobody.
    """
    for top in MERGED:
        if not any(module.path.startswith(f"{top}/") for module in modules):
            (folder / "usr" / top[1:]).mkdir(parents=True, exist_ok=True)
            _link(folder / top[1:], folder / "usr" / top[1:])


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
        return  # it has been said already what is wrong with the program


def _link(link: Path, target: Path) -> None:
    """Make a relative link, unless something is there."""
    if not link.exists() and not link.is_symlink():
        link.symlink_to(os.path.relpath(target.resolve(), link.parent.resolve()))
