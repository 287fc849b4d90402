"""The minimal sysroot of a core: only those files of its root that are needed to read it.

It has the mapped ELF files, their debug files by build id, and links for the names in the link map: 16 MB and
0.8 s, where copying out /lib and /usr takes 484 MB and 3.6 s for the same output of gdb (measured). An
image's sysroot is kept, so that only its first crash fetches files; each file is also kept by build id, so
that images with a common base fetch it once.

Every name comes out of a core or a container and is untrusted. All links in a sysroot are made here, relative
and inside of it; none is copied. A file is used only if its build id is the one in the core; that a build id
is genuine is the image maker's responsibility.
"""

import errno
import fcntl
import hashlib
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
from orchestrator.binary.core.same_file import is_other_file
from orchestrator.binary.elf.files import read_names
from orchestrator.binary.elf.objectfile import map_object
from orchestrator.cores.linkmap import Listed, find_modules
from orchestrator.cores.sources import FolderSource, KeptSource, Source, image_source
from orchestrator.errors import CoreError, ToolError
from orchestrator.model import Sysroot

DEBUG: Final = PurePosixPath("/usr/lib/debug/.build-id")
# Modules of a core that are fetched; no real process has more.
MAX_MODULES: Final = 1000
# Top folders that merged-/usr distributions replace by links into /usr (file-hierarchy(7)).
MERGED: Final = ("/lib", "/lib64")
# Folders of the cache: the sysroots of images, and in it the files by build id.
SYSROOTS: Final = "sysroots"
STORE: Final = "by-build-id"
_IMAGE_ID: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_BUILD_ID: Final = re.compile(r"[0-9a-f]{8,128}")
# Errors that a name or a size in a hostile core can cause; any other error is this host's.
_NAME_ERRORS: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EFBIG, errno.ELOOP,
     errno.EACCES, errno.EPERM}
)  # fmt: skip
# The list of files that the source lacks, so that each is asked for only once.
_ABSENT: Final = ".absent"


def image_sysroot(
    engine: Engine,
    image_id: str,
    core: Core,
    *,
    cache: Path,
    labels: Mapping[str, str],
    kept: Path | None = None,
) -> tuple[Core, Sysroot]:
    """Make, or complete, the sysroot of an image in `cache` for a core of it; see `make_sysroot`.

    `image_id` is the engine's id of the image, a sha256; `labels` are for the container that is held while
    files are fetched. `kept` is a folder with files that the process had beside the image's, by their paths;
    a core that maps one of them has a sysroot of its own. Raises EngineError and ToolError.
    """
    match = _IMAGE_ID.fullmatch(image_id)
    if match is None:
        raise ValueError(f"{image_id!r} is no image id")
    with image_source(engine, image_id, labels) as image:
        mapped = _kept_digest(core, kept) if kept else None
        source = KeptSource(image, FolderSource(kept)) if kept and mapped else image
        name = f"{match[1]}-{mapped}" if mapped else match[1]
        return make_sysroot(source, core, folder=cache / name, store=cache / STORE)


def _kept_digest(core: Core, kept: Path) -> str | None:
    """The digest of the files in a folder that a core maps, or may map; None if there are none."""
    if core.lists_files:
        paths = sorted({module.path for module in core.files})
    else:
        paths = sorted(f"/{path.relative_to(kept)}" for path in kept.rglob("*"))
    digest, found = hashlib.sha256(), False
    for path in paths:
        if _is_here(kept, PurePosixPath(path)):
            found = True
            digest.update(f"{path}\0".encode(errors="surrogateescape"))
            with place(kept, PurePosixPath(path)).open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16] if found else None


def make_sysroot(
    source: Source, core: Core, *, folder: Path, store: Path | None = None
) -> tuple[Core, Sysroot]:
    """Make, or complete, the sysroot of a core in `folder`, with the files that `source` has of it.

    The core that is returned knows its modules: those of one that lists no mapped files are found by the
    program's file.

    `store` keeps verified files by build id, on the same filesystem, for images made from the same packages:
    a stripped file has the build id of the whole one. The result's problems name each file that is missing,
    or is not the one that crashed and so is not used. Raises EngineError and ToolError.
    """
    with _locked(folder):
        maker = _Maker(source=source, folder=folder, store=store, core=core)
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
    """One writer for each sysroot, among threads and processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _Maker:
    """Fills one sysroot."""

    def __init__(self, *, source: Source, folder: Path, store: Path | None, core: Core | None = None) -> None:
        self._source = source
        self._core = core
        self._folder = folder
        self._store = store
        register = folder / _ABSENT
        self._known_absent = frozenset(register.read_text().split("\0")) if register.exists() else frozenset()
        self._absent: set[str] = set()
        self._unchecked: list[str] = []

    def bring(self, path: PurePosixPath) -> Path | None:
        """One file of the root, unverified; None where the source lacks it."""
        return place(self._folder, path) if self._have(path, None, debug=False) else None

    def add(self, modules: Iterable[MappedModule]) -> list[str]:
        """Fetch every module and its debug file; returns the problems as sentences."""
        problems = [problem for module in modules if (problem := self._add(module))]
        if self._absent - self._known_absent:
            (self._folder / _ABSENT).write_text("\0".join(sorted(self._absent | self._known_absent)))
        if self._unchecked:
            problems.append(_not_checked(sorted(self._unchecked, key=lambda path: path != self._crashed)))
        return problems

    @property
    def _crashed(self) -> str | None:
        """The module that the thread was in that crashed, which the core has first."""
        threads = self._core.threads if self._core else ()
        module = self._core.module_at(threads[0].pc) if self._core and threads else None
        return module.path if module else None

    def _add(self, module: MappedModule) -> str | None:
        path = PurePosixPath(module.path)
        if not self._have(path, module.build_id, debug=False):
            return _not_there(module.path, self._source)
        if problem := self._verify(path, module):
            return problem
        # Without a build id in the core, the debug file is that of the file that was found.
        build_id = module.build_id or read_names(place(self._folder, path)).build_id
        if build_id and _BUILD_ID.fullmatch(build_id):
            self._have(debug_path(build_id), build_id, debug=True)
        return None

    def _verify(self, path: PurePosixPath, module: MappedModule) -> str | None:
        """Remove a file that is not the one that crashed, and return why; else link it by its DT_SONAME."""
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
        other = (
            is_other_file(self._core, module, map_object(file))
            if self._core and not module.build_id
            else None
        )
        if other:
            file.unlink()
            return (
                f"{module.path} is not the file that crashed and is not used: the core has no build id of it "
                f"and holds other bytes than the file in {self._source}; its frames have no names"
            )
        if not module.build_id and other is None:
            self._unchecked.append(module.path)
        self._keep(file, module.build_id, debug=False)
        if names.soname and PurePosixPath(names.soname).name == names.soname:
            _link(file.parent / names.soname, file)
        return None

    def _have(self, path: PurePosixPath, build_id: str | None, *, debug: bool) -> bool:
        """Whether a file is in the sysroot; it is fetched if it is not there yet."""
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
        """The place of a file in the store; None for one that the store does not keep."""
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
        """Remove a wrong file, also from the store if it is the one that the store has."""
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
    """The path of a build id's debug file (gdb's manual, "Debugging Information in Separate Files")."""
    return DEBUG / build_id[:2] / f"{build_id[2:]}.debug"


def place(folder: Path, path: PurePosixPath) -> Path:
    """The place of a path of the image in its sysroot; raises ValueError for one that leads outside."""
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
    """Link /lib to /usr/lib, as merged-/usr distributions do, unless a module lies in /lib itself.

    The core has real paths, the link map those before links were followed. A top folder that no module lies
    in can be a link without harm.
    """
    for top in MERGED:
        if not any(module.path.startswith(f"{top}/") for module in modules):
            (folder / "usr" / top[1:]).mkdir(parents=True, exist_ok=True)
            _link(folder / top[1:], folder / "usr" / top[1:])


def _link_loader(folder: Path, core: Core) -> None:
    """Link the loader by the name in the program's PT_INTERP, where that is another path."""
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
        return  # the problems of the program have been noted already


def _link(link: Path, target: Path) -> None:
    """Make a relative link, unless its place is taken."""
    if not link.exists() and not link.is_symlink():
        link.symlink_to(os.path.relpath(target.resolve(), link.parent.resolve()))
