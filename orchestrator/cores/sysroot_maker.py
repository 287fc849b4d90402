"""Fills a sysroot: fetches the files of a core, and verifies them."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from orchestrator.binary.core.corefile import Core
from orchestrator.binary.core.modules import MappedModule
from orchestrator.binary.core.same_file import is_other_file
from orchestrator.binary.elf.files import read_names
from orchestrator.binary.elf.objectfile import map_object
from orchestrator.cores.debug_files import DebugFiles, modules_on_stacks
from orchestrator.cores.debuginfod import DebugServer
from orchestrator.cores.root import Root
from orchestrator.cores.sources import Source
from orchestrator.cores.sysroot_paths import link_inside
from orchestrator.errors import CoreError


class SysrootMaker:
    """Fills one sysroot."""

    def __init__(
        self,
        *,
        source: Source,
        folder: Path,
        store: Path | None,
        core: Core | None = None,
        server: DebugServer | None = None,
    ) -> None:
        self._core = core
        self._root = Root(source=source, folder=folder, store=store)
        self._server = server
        self._debug = DebugFiles(self._root, server, modules_on_stacks(core) if core and server else ())
        self._unchecked: list[str] = []
        self._problems: list[str] = []

    def bring(self, path: PurePosixPath) -> Path | None:
        """One file of the root, unverified; None where the source lacks it."""
        return self._root.file(path) if self._root.have(path) else None

    def add(self, modules: Iterable[MappedModule]) -> list[str]:
        """Fetch every module and its debug file; returns the problems as sentences."""
        problems = [problem for module in modules if (problem := self._add(module))]
        self._root.note_absent()
        problems += self._problems + (self._server.problems if self._server else [])
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
        if not (self._root.have(path) or self._debug.add_program(path, module.build_id)):
            return not_there(module.path, self._root.source)
        if problem := self._verify(path, module):
            return problem
        self._problems += self._debug.add(path, module.build_id)
        return None

    def _verify(self, path: PurePosixPath, module: MappedModule) -> str | None:
        """Remove a file that is not the one that crashed, and return why; else link it by its DT_SONAME."""
        file = self._root.file(path)
        try:
            names = read_names(file)
        except CoreError as error:
            file.unlink()
            return f"{module.path}: {error.what}; it is not used"
        if module.build_id and names.build_id != module.build_id:
            file.unlink()
            return (
                f"{module.path} is not the file that crashed and is not used: build id {module.build_id} "
                f"in the core, {names.build_id or 'none'} in {self._root.source}; its frames have no names"
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
                f"and holds other bytes than the file in {self._root.source}; its frames have no names"
            )
        if not module.build_id and other is None:
            self._unchecked.append(module.path)
        if names.soname and PurePosixPath(names.soname).name == names.soname:
            link_inside(file.parent / names.soname, file)
        return None


def not_there(path: str, source: Source) -> str:
    """The problem of a file that the source lacks."""
    return f"{path} is not in {source}, so its frames have no names"


def _not_checked(paths: list[str]) -> str:
    some = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    return (
        f"build ids that the core does not hold: of {some}; that these are the crashed files is not checked"
    )
