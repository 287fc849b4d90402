"""The images of interpreters that are copied into bases, and of the environments with them."""

from typing import Final

from orchestrator.images.bases import base_image, builder_base, instrument_image, toolchain
from orchestrator.images.recipe_book import RecipeBook
from orchestrator.instruments import Instrument
from orchestrator.model import Arch, Base, CopiedPython, ImageSpec, InterpreterKind, OwnPython

LIBRARIES: Final = ("zlib", "libffi")
"""Libraries that a portable interpreter's modules link statically, by the names of their downloads."""
CHECK: Final = "check.py"
FROM_JAR: Final = "from_jar.py"


def environment_image(
    book: RecipeBook,
    base: Base,
    python: OwnPython | CopiedPython,
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
    book: RecipeBook, base: Base, python: OwnPython | CopiedPython, arch: Arch, instrument: Instrument
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
        values={"name": base.name, "kind": python.kind, "version": python.version},
    )


def interpreter_image(book: RecipeBook, python: CopiedPython, arch: Arch) -> ImageSpec:
    """The image that holds nothing but an interpreter, made once for all bases."""
    make = _portable if python.kind is InterpreterKind.PORTABLE else _archive
    return book.once(("interpreter", python.kind, python.version, arch), lambda: make(book, python, arch))


def _portable(book: RecipeBook, python: CopiedPython, arch: Arch) -> ImageSpec:
    sources = {"cpython": book.download(python.source, arch, python.version)}
    sources |= {name: book.download(name, arch) for name in LIBRARIES}
    return book.dockerfile(
        f"python-{python.version}",
        "Dockerfile.python.j2",
        arch,
        parents={"toolchain": toolchain(book, arch)},
        files=[
            *(item.model_copy(update={"name": f"src/{item.name}"}) for item in sources.values()),
            book.part("python/build.sh", "src/build.sh"),
            book.part(f"python/{CHECK}", f"src/{CHECK}"),
        ],
        values={
            "version": python.version,
            "glibc": book.catalogue.probe_glibc,
            **{name: item.name for name, item in sources.items()},
        },
    )


def _archive(book: RecipeBook, python: CopiedPython, arch: Arch) -> ImageSpec:
    archive = book.download(python.source, arch, python.version)
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
            "archive": archive.name,
            "jar": "yes" if jar else None,
            "gnu": arch.gnu,
        },
    )


def label(base: Base, python: OwnPython | CopiedPython) -> str:
    """The environment in an image's role; a base's only interpreter of its own needs no mention."""
    only_own = isinstance(python, OwnPython) and len(base.pythons) == 1
    return base.name if only_own else f"{base.name}-py{python.version}"
