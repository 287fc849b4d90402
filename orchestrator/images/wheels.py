"""Wheels installed to a folder of the host, for a build context: no package's code runs here."""

import io
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from orchestrator.adapters import uv
from orchestrator.adapters.cache import cache_folder
from orchestrator.errors import ToolError
from orchestrator.model import LockedWheel, WheelTree
from orchestrator.scratch import scratch_folder

SCRATCH: Final = "scratch"
LEFT_OUT: Final = frozenset({"direct_url.json", "uv_cache.json"})
"""Notes of installers that name a path of this host, or differ from one installation to the next."""
BIN: Final = "bin"
LONGEST_SCRIPT: Final = 1 << 20
"""Bytes of a script whose first line is changed; uv writes scripts of some hundreds."""
LARGEST: Final = 32 << 30
"""Bytes of all packages of an environment. PyTorch with its libraries for CUDA has 7 GiB."""


@dataclass(frozen=True, kw_only=True)
class TreeFile:
    """An installed file by its `name` in the virtual environment."""

    name: str
    path: Path
    executable: bool
    venv: str

    @contextmanager
    def opened(self) -> Generator[tuple[IO[bytes], int]]:
        """Its content as a stream, since a file may be larger than memory, and the size of it in bytes."""
        with self.path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if self.name.startswith(f"{BIN}/") and size <= LONGEST_SCRIPT:
                data = self._script(stream.read())
                yield io.BytesIO(data), len(data)
            else:
                yield stream, size

    def _script(self, data: bytes) -> bytes:
        """A script that starts the environment's interpreter, where uv wrote this program's."""
        if not data.startswith(b"#!"):
            return data
        first, newline, rest = data.partition(b"\n")
        second, newline_too, rest = rest.partition(b"\n")
        # Of a long path uv makes two lines: a shell's, and the interpreter's.
        head = first + newline + second + newline_too
        return head.replace(sys.executable.encode(), f"{self.venv}/bin/python3".encode()) + rest


@contextmanager
def installed(tree: WheelTree) -> Generator[Iterator[TreeFile]]:
    """The installed files of a lock, removed afterwards; raises ToolError where uv cannot install them."""
    # In the cache, so that uv can link files instead of copying them.
    with scratch_folder("wheels", cache_folder(SCRATCH)) as folder:
        prefix = folder / "venv"
        prefix.mkdir()
        if tree.lock.ready:
            _install(tree, prefix)
        yield _files(prefix, tree)


def _install(tree: WheelTree, prefix: Path) -> None:
    requirements = "".join(f"{line(item)}\n" for item in tree.lock.ready)
    platform = tree.platform
    done = uv.run(
        ["pip", "install", "--prefix", str(prefix), "--requirements", "-", "--require-hashes", "--no-deps",
         "--only-binary", ":all:", "--python-platform", platform.uv, "--python-version", platform.python],
        folder=Path(tree.folder), stdin=requirements, free_threaded=platform.free_threaded,
    )  # fmt: skip
    if done.status != 0:
        raise ToolError(f"uv cannot install the packages: {done.complaint}", hint=uv.HINT)


def line(wheel: LockedWheel) -> str:
    """A wheel as uv installs it."""
    if wheel.place is None:
        what = f"{wheel.name}=={wheel.version}"
    else:
        place = wheel.place if "://" in wheel.place else Path(wheel.place).as_uri()
        what = f"{wheel.name} @ {place}"
    return f"{what} --hash=sha256:{wheel.sha256}"


def _files(prefix: Path, tree: WheelTree) -> Iterator[TreeFile]:
    """The files by name; uv names folders after the interpreter that runs this program."""
    series = tree.platform.tagged(*tree.platform.series)
    here = "python{}.{}".format(*sys.version_info)
    left = LARGEST
    for path in sorted(prefix.rglob("*")):
        relative = path.relative_to(prefix)
        if path.is_symlink() or not path.is_file() or path.name in LEFT_OUT or relative.parts[0] == ".lock":
            continue
        status = path.stat()
        left -= status.st_size
        if left < 0:
            raise ToolError(
                f"the packages have more than {LARGEST >> 30} GiB unpacked", hint="leave the large one out"
            )
        parts = [f"python{series}" if part == here else part for part in relative.parts[:3]]
        name = "/".join([*parts, *relative.parts[3:]])
        yield TreeFile(name=name, path=path, executable=bool(status.st_mode & 0o100), venv=tree.venv)
