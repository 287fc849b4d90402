"""From cells to the chains of images under them: base, interpreter, builder, probe, server, cell.

Keys are fixed here, from text and digests alone; no engine is asked and nothing is fetched.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from orchestrator.errors import InputError
from orchestrator.images.bases import base_image, builder_base
from orchestrator.images.drafts import Drafts
from orchestrator.images.interpreters import environment_image, label, uwsgi_image
from orchestrator.model import (
    SYSTEM_PYTHON,
    Arch,
    Base,
    Catalogue,
    Cell,
    ContextFile,
    CopiedPython,
    ImageSpec,
    Instrument,
    OwnPython,
    ProbeSource,
    Scenario,
)

LAUNCH: Final = Path("images/launch")
"""The supervisor and its modules, which lie beside it in the image."""


class Recipes:
    """The images of a project's cells, for a `host` that runs this architecture without emulation."""

    def __init__(self, catalogue: Catalogue, project: Path, host: Arch) -> None:
        self._drafts = Drafts(catalogue=catalogue, project=project, host=host)

    @property
    def specs(self) -> tuple[ImageSpec, ...]:
        """All images that the cells asked for so far need, parents first."""
        return tuple(self._drafts.specs.values())

    def image_of(self, cell: Cell, scenario: Scenario) -> ImageSpec:
        """The image of a cell; cells that differ only in how they are run share one.

        Raises InputError for a cell that the catalogue cannot make and for a file that is missing.
        """
        what = (
            "cell",
            cell.scenario,
            cell.python,
            cell.glibc,
            cell.arch,
            cell.launcher,
            cell.probe,
            cell.instrument,
        )
        return self._drafts.once(what, lambda: self._cell(cell, scenario))

    def _cell(self, cell: Cell, scenario: Scenario) -> ImageSpec:
        drafts = self._drafts
        base, python = _environment(drafts.catalogue, cell)
        probe = _probe(drafts, scenario, cell.probe, cell.arch)
        launch = drafts.project / LAUNCH
        server = _server(drafts, cell.launcher, base, python, cell.arch)
        return drafts.dockerfile(
            f"cell-{cell.scenario}-{label(base, python)}-{cell.launcher}-{cell.probe}",
            "Dockerfile.cell.j2",
            cell.arch,
            parents={
                "environment": _watched(drafts, environment_image(drafts, base, python, cell.arch), cell),
                "probe": probe,
                "server": server,
            },
            files=[
                *(drafts.file(path, f"opt/{path.name}") for path in sorted(launch.glob("*.py"))),
                drafts.file(Path(scenario.folder) / scenario.driver, f"opt/scenario/{scenario.driver}"),
            ],
            values={
                "scenario": scenario.name,
                "python": python.version,
                "program": _program(python),
                "glibc": base.glibc,
                "launcher": cell.launcher,
                "language": cell.probe,
            },
        )


def _watched(drafts: Drafts, environment: ImageSpec, cell: Cell) -> ImageSpec:
    """The environment with the cell's instrument in it; itself where the cell has none."""
    if cell.instrument is Instrument.NONE:
        return environment
    return drafts.dockerfile(
        f"{cell.instrument}-{environment.role}",
        "Dockerfile.instrument.j2",
        cell.arch,
        parents={"environment": environment},
        files=[],
        values={"instrument": cell.instrument},
    )


def _environment(catalogue: Catalogue, cell: Cell) -> tuple[Base, OwnPython | CopiedPython]:
    base = catalogue.base_for(cell.glibc, cell.arch)
    python = catalogue.interpreter_for(base, cell.python, cell.arch) if base else None
    if base is None or python is None:
        raise InputError(
            f"no base and interpreter make glibc {cell.glibc} and Python {cell.python} for {cell.arch}",
            mend="add them to images/catalogue.yaml, or exclude the cell",
        )
    return base, python


def _program(python: OwnPython | CopiedPython) -> str | None:
    """The program that `python3` must mean in a cell, where it does not already."""
    return python.program if isinstance(python, OwnPython) and python.program != SYSTEM_PYTHON else None


def _builder(drafts: Drafts, arch: Arch) -> ImageSpec:
    """What compiles probes for an architecture; it runs on the host's own."""
    make = _native_builder if arch is drafts.host else _cross_builder
    return drafts.once(("builder", arch), lambda: make(drafts, arch))


def _cross_builder(drafts: Drafts, arch: Arch) -> ImageSpec:
    packages = (f"{name}:{arch.debian}" for name in drafts.catalogue.cross_packages)
    return drafts.dockerfile(
        f"builder-for-{arch}",
        "Dockerfile.cross.j2",
        drafts.host,
        parents={"builder": _builder(drafts, drafts.host)},
        files=[],
        values={
            "packages": " ".join(packages),
            "target": _target(drafts.catalogue, arch),
            "triple": arch.rust,
            "debian": arch.debian,
            "gnu": arch.gnu,
        },
    )


def _native_builder(drafts: Drafts, arch: Arch) -> ImageSpec:
    wheel = drafts.download("ziglang", arch)
    return drafts.dockerfile(
        "builder",
        "Dockerfile.builder.j2",
        arch,
        parents={"base": base_image(drafts, builder_base(drafts, arch), arch)},
        files=[wheel],
        values={
            "wheel": wheel.name,
            "packages": " ".join(drafts.catalogue.builder_packages),
            "target": _target(drafts.catalogue, arch),
        },
    )


def _probe(drafts: Drafts, scenario: Scenario, language: str, arch: Arch) -> ImageSpec:
    probe = next((item for item in scenario.probes if item.language == language), None)
    if probe is None or language not in drafts.catalogue.languages:
        raise InputError(
            f"scenario {scenario.name} has no {language} probe that can be compiled for {arch}",
            mend="add it to scenario.yaml, or exclude the cell",
        )
    found: ProbeSource = probe
    return drafts.once(
        ("probe", scenario.name, language, arch), lambda: _compiled(drafts, scenario, found, arch)
    )


def _compiled(drafts: Drafts, scenario: Scenario, probe: ProbeSource, arch: Arch) -> ImageSpec:
    headers = builder_base(drafts, drafts.host).pythons[0].version
    return drafts.dockerfile(
        f"probe-{scenario.name}-{probe.language}",
        "Dockerfile.probe.j2",
        arch,
        parents={"builder": _builder(drafts, arch)},
        files=_sources(drafts, Path(scenario.folder), probe),
        values={
            "scenario": scenario.name,
            "language": probe.language,
            "source": probe.source,
            "module": probe.module,
            "target": _target(drafts.catalogue, arch),
            "triple": None if arch is drafts.host else arch.rust,
            "python": headers,
        },
    )


def _server(
    drafts: Drafts, launcher: str, base: Base, python: OwnPython | CopiedPython, arch: Arch
) -> ImageSpec | None:
    """The image that brings the launcher's server program; None for a launcher that needs none."""
    makers: Mapping[str, Callable[[], ImageSpec | None]] = {
        "plain": lambda: None,
        "uwsgi": partial(uwsgi_image, drafts, base, python, arch),
    }
    if launcher not in makers or launcher not in drafts.catalogue.launchers:
        raise InputError(
            f"no image is known for launcher {launcher!r}",
            mend=f"use one of {', '.join(drafts.catalogue.launchers)}",
        )
    return makers[launcher]()


def _target(catalogue: Catalogue, arch: Arch) -> str:
    return f"{arch.gnu}-linux-gnu.{catalogue.probe_glibc}"


def _sources(drafts: Drafts, folder: Path, probe: ProbeSource) -> list[ContextFile]:
    """The probe's source and, where it has a folder of its own, the regular files beside it."""
    source = folder / probe.source
    beside = [] if source.parent == folder else sorted(source.parent.rglob("*"))
    paths = {source, *(path for path in beside if path.is_file() and not path.is_symlink())}
    return [drafts.file(path, f"src/{path.relative_to(folder)}") for path in sorted(paths)]
