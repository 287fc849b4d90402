"""Doctor's trial of the engine: a build step with a network, and a container like a cell's.

An engine may answer and start no container: its bridge was removed, its store is full, it cannot mount. The
trial's image is empty but for a program of some bytes, so nothing is fetched; it is removed afterwards.
"""

import io
import struct
import tarfile
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Final

from orchestrator.adapters.engine import ContainerSpec, Engine
from orchestrator.errors import HostError
from orchestrator.host.capability import Capability, State
from orchestrator.invocation import command
from orchestrator.model import LABEL, Arch

CODE: Final = {
    Arch.X86_64: (62, bytes.fromhex("b83c000000 31ff 0f05")),
    Arch.ARM64: (183, bytes.fromhex("a80b80d2 000080d2 010000d4")),
}
"""e_machine, and the instructions of exit(0), by architecture."""
BASE: Final = 0x400000
HEADERS: Final = 64 + 56
"""Bytes of an ELF header with one program header."""
HINT: Final = f"restart the engine, make room for its store, then `{command('doctor')}` again"
LABELS: Final = {LABEL: "doctor"}
DOCKERFILE: Final = """\
FROM scratch
COPY true /true
ENV TRIAL={}
RUN ["/true"]
"""
"""A variable with another value each time: the engine would take a known step from its cache."""


def try_engine(engine: Engine, arch: Arch) -> tuple[Capability, ...]:
    """Build an image with the network; build one without and run it as a cell. Both are removed."""
    limit = "" if engine.unlimited else ", /work on a disk of its own"
    return (
        _tried("a build with the network", "its step ran", lambda: _build(engine, arch)),
        _tried("a cell's container", f"it ran without a network{limit}", lambda: _run(engine, arch)),
    )


def _tried(name: str, found: str, step: Callable[[], None]) -> Capability:
    try:
        step()
    except HostError as error:
        return Capability(name=name, state=State.MISSING, found=error.what, hint=HINT)
    return Capability(name=name, state=State.OK, found=found)


def _build(engine: Engine, arch: Arch) -> None:
    with _image(engine, arch, offline=False):
        pass


def _run(engine: Engine, arch: Arch) -> None:
    name = f"cm-{uuid.uuid4().hex[:12]}"
    with _image(engine, arch, offline=True) as image:
        spec = ContainerSpec(
            image=image, command=("/true",), hostname=name, platform=arch.platform, labels=LABELS
        )
        try:
            ended = engine.run(engine.create(spec), lambda *_: None)
            if ended.status != 0:
                raise HostError(f"a program that ends with 0 ended with {ended.status}", hint=HINT)
        finally:
            engine.discard(name)


@contextmanager
def _image(engine: Engine, arch: Arch, *, offline: bool) -> Generator[str]:
    tag = f"crashmatrix/doctor:{uuid.uuid4().hex[:12]}"
    context = _context({"Dockerfile": DOCKERFILE.format(tag).encode(), "true": program(arch)})
    try:
        yield engine.build(context, tag=tag, labels=LABELS, log=io.StringIO(), offline=offline)
    finally:
        with suppress(HostError):
            engine.remove_image(tag)


def program(arch: Arch) -> bytes:
    """A static program of an architecture that ends with 0 (elf(5)): one segment, which is the whole file."""
    machine, code = CODE[arch]
    size = HEADERS + len(code)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", ident, 2, machine, 1, BASE + HEADERS, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x10000) + code


def _context(files: Mapping[str, bytes]) -> IO[bytes]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
    out.seek(0)
    return out
