"""The images of probes and their compilers: one per language and architecture, or per base or libpython."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.adapters.inside import resolve_inside
from orchestrator.errors import InputError
from orchestrator.images.bases import base_image, builder_base, toolchain, triplet
from orchestrator.images.interpreters import interpreter_image, label
from orchestrator.images.recipe_book import RecipeBook
from orchestrator.instruments import INSTRUMENTS, Instrument, is_compiled_in
from orchestrator.model import (
    TOOLCHAIN_ARCH,
    Arch,
    Base,
    Catalogue,
    Cell,
    ContextFile,
    CopiedPython,
    ImageSpec,
    Interpreter,
    InterpreterKind,
    OwnPython,
    ProbeKind,
    ProbeSource,
    Scenario,
    Toolchain,
)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A scenario's probe for an architecture."""

    scenario: Scenario
    probe: ProbeSource
    arch: Arch
    compiled_in: Instrument | None
    """The instrument that is compiled into it, if any."""


def probe_image(
    book: RecipeBook, scenario: Scenario, cell: Cell, base: Base, python: Interpreter
) -> ImageSpec:
    """The image of a cell's probe, shared by all cells for which it is compiled the same way.

    Raises InputError if the scenario has no such probe.
    """
    probe = scenario.probe(cell.probe)
    if probe is None or cell.probe not in book.catalogue.languages:
        raise InputError(
            f"scenario {scenario.name} has no {cell.probe} probe that can be compiled for {cell.arch}",
            hint="add it to scenario.yaml, or exclude the cell",
        )
    instrument = INSTRUMENTS.get(cell.instrument)
    compiled_in = instrument if is_compiled_in(cell.instrument) else None
    asked = _Asked(scenario=scenario, probe=probe, arch=cell.arch, compiled_in=compiled_in)
    what = ("probe", scenario.name, probe.language, cell.arch, cell.instrument if compiled_in else None)
    if probe.toolchain_for(python.kind, compiled_in=bool(compiled_in)) is Toolchain.NATIVE:
        return book.once((*what, base.name, python.version), lambda: _native(book, asked, base, python))
    if probe.language is ProbeKind.C_EMBED and isinstance(python, CopiedPython):
        copied: CopiedPython = python
        return book.once((*what, copied.kind, copied.version), lambda: _embedding(book, asked, copied))
    return book.once(what, lambda: _portable(book, asked))


def _portable(book: RecipeBook, asked: _Asked) -> ImageSpec:
    """A probe that every base and interpreter can load."""
    arch, compiler = asked.arch, asked.probe.toolchain
    make = _gcc_builder if compiler is Toolchain.GCC else _builder
    builder = make(book, arch)
    if asked.probe.language is ProbeKind.PYO3:
        builder = _with_cargo(book, builder)
    values = {
        "target": _target(book.catalogue, arch),
        "triple": None if arch is book.host else arch.rust,
        "rust_target": arch.rust,
        "triplet": triplet(arch),
        "toolchain": compiler,
        "python": builder_base(book, book.host).pythons[0].version,
    }
    return _compiled(book, asked, parents={"builder": builder}, values=values)


def _native(book: RecipeBook, asked: _Asked, base: Base, python: Interpreter) -> ImageSpec:
    """A probe by the base's own compiler, against its own CPython's headers and, embedding it, libpython."""
    own = python if isinstance(python, OwnPython) else next(item for item in base.pythons if item.toolchain)
    values = {
        "packages": " ".join(base.compiler_beside(own)),
        "toolchain": Toolchain.NATIVE,
        "prefix": "/usr",
        "python": own.version,
    }
    parents = {"builder": base_image(book, base, asked.arch)}
    on = label(base, own) + (f"-{asked.compiled_in.name}" if asked.compiled_in else "")
    return _compiled(book, asked, on=on, parents=parents, values=values)


def _embedding(book: RecipeBook, asked: _Asked, python: CopiedPython) -> ImageSpec:
    """A program linked with the libpython of an interpreter that is copied into bases."""
    arch = asked.arch
    parents = {"builder": toolchain(book, arch), "interpreter": interpreter_image(book, python, arch)}
    values = {
        "triplet": triplet(arch),
        "toolchain": Toolchain.GCC,
        "prefix": "/opt/crashmatrix/python",
        "python": ".".join(python.version.split(".")[:2]),
        "archive": "yes" if python.kind is InterpreterKind.ARCHIVE else None,
    }
    return _compiled(book, asked, on=f"py{python.version}", parents=parents, values=values)


def _compiled(
    book: RecipeBook,
    asked: _Asked,
    *,
    parents: Mapping[str, ImageSpec],
    values: Mapping[str, str | None],
    on: str = "",
) -> ImageSpec:
    scenario, probe = asked.scenario, asked.probe
    options = asked.compiled_in.compiler_options if asked.compiled_in else ()
    named = {
        "scenario": scenario.name,
        "language": probe.language,
        "source": probe.source,
        "name": probe.name,
        # Without the first dash, which the template writes: a value that begins with one is refused.
        "instrument_options": " ".join(option.removeprefix("-") for option in options) or None,
    }
    absent: dict[str, str | None] = dict.fromkeys(
        ("target", "triple", "rust_target", "triplet", "packages", "prefix", "archive")
    )
    role = f"probe-{scenario.name}-{probe.language}"
    return book.dockerfile(
        f"{role}-{on}" if on else role,
        "Dockerfile.probe.j2",
        asked.arch,
        parents={"interpreter": None, **parents},
        files=_sources(book, Path(scenario.folder), probe),
        values={**absent, **named, **values},
    )


def _builder(book: RecipeBook, arch: Arch) -> ImageSpec:
    """The compilers of probes for an architecture, by zig; they run on the host's own."""
    make = _native_builder if arch is book.host else _cross_builder
    return book.once(("builder", arch), lambda: make(book, arch))


def _gcc_builder(book: RecipeBook, arch: Arch) -> ImageSpec:
    """The same with the cross gcc beside zig; raises InputError if that cannot run here."""
    if book.host is not TOOLCHAIN_ARCH:
        raise InputError(
            f"the toolchain {Toolchain.GCC} runs on {TOOLCHAIN_ARCH} only, this host is {book.host}",
            hint="leave out the scenarios that name it, or run them on another host",
        )
    return book.once(
        ("builder", Toolchain.GCC, arch),
        lambda: book.dockerfile(
            "builder-gcc" if arch is book.host else f"builder-gcc-for-{arch}",
            "Dockerfile.builder-gcc.j2",
            book.host,
            parents={"builder": _builder(book, arch), "toolchain": toolchain(book, arch)},
            files=[],
            values={"glibc": book.catalogue.probe_glibc},
        ),
    )


def _with_cargo(book: RecipeBook, builder: ImageSpec) -> ImageSpec:
    """A builder with cargo, which fetches the crates of a probe."""
    return book.dockerfile(
        builder.role.replace("builder", "builder-cargo"),
        "Dockerfile.builder-cargo.j2",
        builder.arch,
        parents={"builder": builder},
        files=[],
        values={},
    )


def _cross_builder(book: RecipeBook, arch: Arch) -> ImageSpec:
    packages = (f"{name}:{arch.debian}" for name in book.catalogue.cross_packages)
    return book.dockerfile(
        f"builder-for-{arch}",
        "Dockerfile.cross.j2",
        book.host,
        parents={"builder": _builder(book, book.host)},
        files=[],
        values={
            "packages": " ".join(packages),
            "target": _target(book.catalogue, arch),
            "triple": arch.rust,
            "debian": arch.debian,
            "gnu": arch.gnu,
        },
    )


def _native_builder(book: RecipeBook, arch: Arch) -> ImageSpec:
    wheel = book.download("ziglang", arch)
    return book.dockerfile(
        "builder",
        "Dockerfile.builder.j2",
        arch,
        parents={"base": base_image(book, builder_base(book, arch), arch)},
        files=[wheel],
        values={
            "wheel": wheel.name,
            "packages": " ".join(book.catalogue.builder_packages),
            "target": _target(book.catalogue, arch),
        },
    )


def _target(catalogue: Catalogue, arch: Arch) -> str:
    return f"{arch.gnu}-linux-gnu.{catalogue.probe_glibc}"


def _sources(book: RecipeBook, folder: Path, probe: ProbeSource) -> list[ContextFile]:
    """The probe's source and, if it has a folder of its own, the regular files beside it.

    Without cargo's target folder, which a user's own build leaves there.
    """
    source = folder / probe.source
    resolve_inside(source.parent, book.project)  # before it is listed
    beside = [] if source.parent == folder else sorted(source.parent.rglob("*"))
    compiled = source.parent / "target" if probe.language is ProbeKind.PYO3 else None
    paths = {source, *(path for path in beside if path.is_file() and not path.is_symlink())}
    kept = (path for path in paths if compiled not in path.parents)
    return [book.file(path, f"src/{path.relative_to(folder)}") for path in sorted(kept)]
