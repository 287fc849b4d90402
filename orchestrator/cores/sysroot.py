"""The minimal sysroot of a core: only those files of its root that are needed to read it.

It has the mapped ELF files, their debug files by build id, and links for the names in the link map: 16 MB and
0.8 s, where copying out /lib and /usr takes 484 MB and 3.6 s for the same output of gdb (measured). An
image's sysroot is kept, so that only its first crash fetches files. Other images get none of them: whoever
links a file chooses its build id, and would have the crashes of others read by it.

Every name comes out of a core or a container and is untrusted. All links in a sysroot are made here, relative
and inside of it; none is copied. A file is used only if its build id is the one in the core.
"""

from __future__ import annotations

__lazy_modules__ = ("orchestrator.adapters",)

import fcntl
import hashlib
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.adapters import engine
from orchestrator.binary.core.corefile import Core
from orchestrator.cores.debuginfod import DebugServer
from orchestrator.cores.linkmap import Listed, find_modules
from orchestrator.cores.sources import FolderSource, KeptSource, Source, image_source
from orchestrator.cores.sysroot_maker import SysrootMaker, not_there
from orchestrator.cores.sysroot_paths import is_here, link_loader, link_merged, place
from orchestrator.model import Sysroot

# Modules of a core that are fetched; no real process has more.
MAX_MODULES: Final = 1000
# Folders of the cache: the sysroots of images, and in it the files of debug servers, by server and build id.
SYSROOTS: Final = "sysroots"
STORE: Final = "of-servers"
_IMAGE_ID: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


def image_sysroot(
    engine: engine.Engine,
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
    with image_source(lambda: engine, image_id, labels) as image:
        mapped = _kept_digest(core, kept) if kept else None
        source = KeptSource(image, FolderSource(kept)) if kept and mapped else image
        name = f"{match[1]}-{mapped}" if mapped else match[1]
        return make_sysroot(source, core, folder=cache / name)


def _kept_digest(core: Core, kept: Path) -> str | None:
    """The digest of the files in a folder that a core maps, or may map; None if there are none."""
    if core.lists_files:
        paths = sorted({module.path for module in core.files})
    else:
        paths = sorted(f"/{path.relative_to(kept)}" for path in kept.rglob("*"))
    digest, found = hashlib.sha256(), False
    for path in paths:
        if is_here(kept, PurePosixPath(path)):
            found = True
            digest.update(f"{path}\0".encode(errors="surrogateescape"))
            with place(kept, PurePosixPath(path)).open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16] if found else None


def make_sysroot(
    source: Source, core: Core, *, folder: Path, store: Path | None = None, server: DebugServer | None = None
) -> tuple[Core, Sysroot]:
    """Make, or complete, the sysroot of a core in `folder`, with the files that `source` has of it.

    The core that is returned knows its modules: those of one that lists no mapped files are found by the
    program's file.

    `server` is asked for what the source lacks of the modules that the threads' stacks lead into; `store`, on
    the same filesystem, keeps its files by build id. The result's problems name each file that is missing,
    or is not the one that crashed and so is not used. Raises EngineError and ToolError.
    """
    with _locked(folder):
        maker = SysrootMaker(source=source, folder=folder, store=store, core=core, server=server)
        listed = find_modules(core, maker.bring) if not core.files else Listed()
        if listed.modules:
            core = core.with_modules(listed.modules)
        modules = core.modules[:MAX_MODULES]
        link_merged(folder, modules)
        problems = [not_there(name, source) for name in listed.absent] + maker.add(modules)
        link_loader(folder, core)
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
