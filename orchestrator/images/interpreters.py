"""The images of interpreters that are copied into bases, and of the environments with them."""

from collections.abc import Iterable
from typing import Final

from orchestrator.images.bases import base_image, builder_base, instrument_image, toolchain, triplet
from orchestrator.images.recipe_book import RecipeBook
from orchestrator.instruments import Instrument
from orchestrator.model import (
    TOOLCHAIN_ARCH,
    Arch,
    Base,
    CopiedPython,
    ImageSpec,
    Interpreter,
    InterpreterKind,
    OwnPython,
)

LIBRARIES: Final = ("zlib", "libffi", "bzip2", "xz", "ncurses", "readline", "sqlite", "openssl")
"""Libraries that a portable interpreter's modules link statically, by the names of their downloads, in the
order of libraries.sh."""
OUTSIDE: Final = ("bz2", "curses", "lzma", "readline", "sqlite3", "ssl")
"""The modules of the standard library that depend on a further library, as in check.py."""
CHECK: Final = "check.py"
FROM_JAR: Final = "from_jar.py"


def environment_image(
    book: RecipeBook,
    base: Base,
    python: Interpreter,
    arch: Arch,
    instrument: Instrument | None = None,
) -> ImageSpec:
    """The image of a base with an interpreter and an instrument in it; the base itself if it needs neither.

    A copied interpreter is checked in it, on the glibc that it will run on.
    """
    if instrument and instrument.packages:
        return _watched(book, base, python, arch, instrument)
    if isinstance(python, OwnPython):
        return base_image(book, base, arch)
    copied: CopiedPython = python
    what = ("environment", base.name, copied.kind, copied.version, arch)
    return book.once(what, lambda: _environment(book, base, copied, arch))


def _watched(
    book: RecipeBook, base: Base, python: Interpreter, arch: Arch, instrument: Instrument
) -> ImageSpec:
    environment = environment_image(book, base, python, arch)
    return book.dockerfile(
        f"{instrument.name}-{environment.role}",
        "Dockerfile.watched.j2",
        arch,
        parents={
            "environment": environment,
            "instrument": instrument_image(book, base, arch, instrument),
        },
        files=[],
        values={"name": instrument.name},
    )


def _environment(book: RecipeBook, base: Base, python: CopiedPython, arch: Arch) -> ImageSpec:
    return book.dockerfile(
        f"environment-{base.name}-py{python.version}",
        "Dockerfile.environment.j2",
        arch,
        parents={
            "base": base_image(book, base, arch),
            "python": interpreter_image(book, python, arch),
        },
        files=[],
        values={
            "name": base.name,
            "kind": python.kind,
            "version": python.version,
            # An interpreter compiled by others uses the base's libraries, which may be missing.
            "asked": _asked(python, OUTSIDE if python.kind is InterpreterKind.ARCHIVE else ()),
        },
    )


def interpreter_image(book: RecipeBook, python: CopiedPython, arch: Arch) -> ImageSpec:
    """The image with an interpreter alone, made once for all bases."""
    make = _portable if python.kind is InterpreterKind.PORTABLE else _archive
    return book.once(("interpreter", python.kind, python.version, arch), lambda: make(book, python, arch))


def _libraries(book: RecipeBook, arch: Arch) -> ImageSpec:
    sources = [book.download(name, arch) for name in LIBRARIES]
    spec = book.dockerfile(
        f"libraries-{arch}",
        "Dockerfile.libraries.j2",
        arch,
        parents={"toolchain": toolchain(book, arch)},
        files=[
            *(item.model_copy(update={"name": f"src/{item.name}"}) for item in sources),
            book.part("python/libraries.sh", "src/libraries.sh"),
        ],
        values={
            "glibc": book.catalogue.probe_glibc,
            "sources": " ".join(item.name for item in sources),
        },
    )
    return book.takes(spec, book.catalogue.library_minutes.get(arch))


def _portable(book: RecipeBook, python: CopiedPython, arch: Arch) -> ImageSpec:
    source = book.download(python.source, arch, python.source_version)
    spec = book.dockerfile(
        f"python-{python.version}",
        "Dockerfile.python.j2",
        arch,
        parents={
            "toolchain": toolchain(book, arch),
            "libraries": book.once(("libraries", arch), lambda: _libraries(book, arch)),
        },
        files=[
            source.model_copy(update={"name": f"src/{source.name}"}),
            book.part("python/build.sh", "src/build.sh"),
            book.part(f"python/{CHECK}", f"src/{CHECK}"),
        ],
        values={
            "version": python.version,
            "glibc": book.catalogue.probe_glibc,
            "cpython": source.name,
            "compiler": _compiler(arch) if python.free_threaded else None,
            "gnu": arch.gnu,
            "triplet": triplet(arch),
        },
    )
    return book.takes(spec, python.minutes.get(arch))


def _compiler(arch: Arch) -> str:
    """The package of the suite's own gcc that compiles for an architecture."""
    return "gcc" if arch is TOOLCHAIN_ARCH else f"gcc-{arch.gnu}-linux-gnu"


def _archive(book: RecipeBook, python: CopiedPython, arch: Arch) -> ImageSpec:
    archive = book.download(python.source, arch, python.source_version)
    jar = archive.name.endswith(".jar")
    return book.dockerfile(
        f"python-{python.version}-archive",
        "Dockerfile.archive.j2",
        arch,
        parents={"base": base_image(book, builder_base(book, arch), arch)},
        files=[
            archive.model_copy(update={"name": f"src/{archive.name}"}),
            *(
                book.part(f"python/{name}", f"src/{name}")
                for name in ((FROM_JAR, CHECK) if jar else (CHECK,))
            ),
        ],
        values={
            "version": python.version,
            "asked": _asked(python, python.without),
            "archive": archive.name,
            "jar": "yes" if jar else None,
            "gnu": arch.gnu,
        },
    )


def _asked(python: CopiedPython, may_lack: Iterable[str]) -> str:
    """The arguments of check.py: the version, and the modules that may be missing."""
    return " ".join((python.version, ",".join(may_lack))).strip()


def label(base: Base, python: Interpreter) -> str:
    """The environment in an image's role; a base's only interpreter of its own needs no mention."""
    only_own = isinstance(python, OwnPython) and len(base.pythons) == 1
    return base.name if only_own else f"{base.name}-py{python.version}"
