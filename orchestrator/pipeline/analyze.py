"""`crashmatrix analyze`: any core, read with the files of the image, container or folder it came from."""

from __future__ import annotations

__lazy_modules__ = ("orchestrator.adapters", "orchestrator.adapters.engine")

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from orchestrator import cores, crash
from orchestrator.adapters import engine
from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.engine import late
from orchestrator.binary.core.corefile import Core, open_core
from orchestrator.binary.core.unpack import plain_core
from orchestrator.cores import (
    ContainerSource,
    DebugServer,
    DumpedCore,
    FolderSource,
    ProgramSource,
    Source,
    image_source,
)
from orchestrator.errors import HostError, InputError, Location
from orchestrator.model import LABEL, Crash, Sysroot
from orchestrator.names import BACKENDS
from orchestrator.scratch import scratch_folder

STACKS: Final = "stacks"
"""The folder of the cache with the stacks of images that have names already."""
CORE_HINT: Final = "name a core file, or a match that `coredumpctl list` knows, such as a PID"


@dataclass(frozen=True, kw_only=True)
class AnalyzeRequest:
    """A core, by its file or by a match of coredumpctl, and at most one source of its files.

    Without a source, files come from the container in which the process of a match crashed, if it still
    exists, else from this host. Files with another build id are never used.
    """

    core: str
    program: Path | None = None
    sysroot: Path | None = None
    image: str | None = None
    container: str | None = None
    backends: tuple[str, ...] = BACKENDS
    debuginfod: str | None = None
    """The address of a debuginfod server, which is asked for files that the source lacks."""


def analyze_core(request: AnalyzeRequest) -> Crash:
    """Read a core; raises InputError if there is no readable core, HostError if the host fails."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder("analyze"))
        stored = _stored(request.core, folder)
        plain = stack.enter_context(plain_core(stored.path))
        opened = stack.enter_context(open_core(plain))
        crash.prepare(opened, request.backends)
        request, notes = _placed(request, stored)
        source, kept, core, sysroot = stack.enter_context(_sysroot(request, opened))
        sysroot = sysroot.model_copy(update={"problems": (*notes, *sysroot.problems)})
        read = crash.read_crash(plain, core, sysroot, request.backends, _cached(request, kept))
        return read.model_copy(update={"warnings": (*read.warnings, *_offers(read, source))})


def _offers(read: Crash, source: Source) -> list[str]:
    """The Debian package with the symbols of the faulting function, where its name is not certain.

    Other frames, such as those of a runtime that aborts, need no names.
    """
    site = read.crash
    if site.module is None or (site.function and site.exact):
        return []
    package = cores.debug_packages(source, [site.module]).get(site.module)
    what = f"the fault in {site.module} has no certain name: Debian's package {package} has its debug files"
    return [what] if package else []


def _stored(name: str, folder: Path) -> DumpedCore:
    path = Path(name)
    try:
        path.open("rb").close()
    except FileNotFoundError as error:
        if "/" in name and "=" not in name:
            raise InputError("there is no such file", where=Location(file=name), hint=CORE_HINT) from error
        return cores.dump(name, folder / "core")
    except OSError as error:
        said = f"it cannot be read: {error.strerror}"
        raise InputError(said, where=Location(file=name), hint=CORE_HINT) from error
    return DumpedCore(path=path)


def _placed(request: AnalyzeRequest, stored: DumpedCore) -> tuple[AnalyzeRequest, tuple[str, ...]]:
    """The request with the journal's container as source if it names none, and notes about that."""
    named = request.sysroot or request.image or request.container
    if stored.container is None or named:
        return request, ()
    short = stored.container[:12]
    try:
        connected = engine.Engine.connect()
        try:
            connected.container_id(stored.container)
        finally:
            connected.close()
    except (InputError, HostError) as error:
        lost = f"it crashed in container {short}, whose files cannot be read: {error.what}"
        return request, (f"{lost}; they are taken from this host (name the --image it was made of)",)
    known = replace(request, container=stored.container)
    return known, (f"files are taken from container {short}, in which it crashed",)


@contextmanager
def _sysroot(request: AnalyzeRequest, core: Core) -> Generator[tuple[Source, str | None, Core, Sysroot]]:
    """The source of files, the name by which they are kept, the core with its modules, and its sysroot.

    The sysroot of an image is kept, any other is removed afterwards.
    """
    cache = cache_folder(cores.SYSROOTS)
    with ExitStack() as stack:
        source, kept = _source(request, stack)
        if request.program:
            source, kept = _with_program(source, core, request.program), None
        folder = cache / kept if kept else stack.enter_context(_temporary(cache))
        server = _server(request.debuginfod)
        store = cache / cores.STORE / server.key if server else None
        made = cores.make_sysroot(source, core, folder=folder, store=store, server=server)
        yield source, kept, *made


def _cached(request: AnalyzeRequest, image: str | None) -> crash.CacheContext | None:
    """The stacks that earlier cores of the same image had; a server, or few backends, give other names."""
    if image is None or request.debuginfod or set(request.backends) != set(BACKENDS):
        return None
    known = crash.StackCache(cache_folder(STACKS))
    return crash.CacheContext(cache=known, image=image, origin="an earlier core")


def _server(url: str | None) -> DebugServer | None:
    if url is None:
        return None
    if not url.startswith(("http://", "https://")):
        raise InputError(
            f"{url!r} is no address of a server", hint="give one that begins with https:// or http://"
        )
    return DebugServer(url)


def _source(request: AnalyzeRequest, stack: ExitStack) -> tuple[Source, str | None]:
    """The source of files, and the name under which the cache may keep them."""
    if request.sysroot:
        if not request.sysroot.is_dir():
            raise InputError(
                "the sysroot is no folder", where=Location(file=str(request.sysroot)), hint="name a folder"
            )
        return FolderSource(request.sysroot.resolve()), None
    if request.image is None and request.container is None:
        return FolderSource(Path("/")), None
    engines = stack.enter_context(late.LateEngine())
    if request.container is not None:
        name, connected = request.container, engines.connected()
        return ContainerSource(connected, connected.container_id(name), f"container {name}"), None
    image = engines.image_id(request.image or "")
    source = image_source(engines.connected, image, {LABEL: "analyze"})
    return stack.enter_context(source), image.partition(":")[2]


def _with_program(source: Source, core: Core, program: Path) -> Source:
    if not program.is_file():
        raise InputError("there is no such file", where=Location(file=str(program)), hint="name the program")
    return ProgramSource(source, cores.program_path(core), program)


@contextmanager
def _temporary(cache: Path) -> Generator[Path]:
    """A folder on the cache's filesystem, so that files are linked, not copied."""
    with scratch_folder("once", cache) as folder:
        yield folder / "root"
