"""Fills a sysroot: fetches the files of a core, verifies them, and keeps them by build id."""

import errno
import os
import re
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.core.modules import MappedModule
from orchestrator.binary.core.same_file import is_other_file
from orchestrator.binary.elf.files import read_names
from orchestrator.binary.elf.objectfile import map_object
from orchestrator.cores.sources import Source
from orchestrator.cores.sysroot_paths import debug_path, is_here, link_inside, place
from orchestrator.errors import CoreError, ToolError

_BUILD_ID: Final = re.compile(r"[0-9a-f]{8,128}")
# Errors that a name or a size in a hostile core can cause; any other error is this host's.
_NAME_ERRORS: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EFBIG, errno.ELOOP,
     errno.EACCES, errno.EPERM}
)  # fmt: skip
# The list of files that the source lacks, so that each is asked for only once.
_ABSENT: Final = ".absent"


class SysrootMaker:
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
            return not_there(module.path, self._source)
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
            link_inside(file.parent / names.soname, file)
        return None

    def _have(self, path: PurePosixPath, build_id: str | None, *, debug: bool) -> bool:
        """Whether a file is in the sysroot; it is fetched if it is not there yet."""
        if is_here(self._folder, path):
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


def not_there(path: str, source: Source) -> str:
    """The problem of a file that the source lacks."""
    return f"{path} is not in {source}, so its frames have no names"


def _not_checked(paths: list[str]) -> str:
    some = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    return (
        f"build ids that the core does not hold: of {some}; that these are the crashed files is not checked"
    )
