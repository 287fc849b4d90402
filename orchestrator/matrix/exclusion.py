"""Why a cell does not run: a rule excludes it, or the catalogue lacks what it needs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.version import Version

from orchestrator.instruments import INSTRUMENTS
from orchestrator.launchers import LAUNCHERS
from orchestrator.matrix.blocks import AxisFunction, Block, joined
from orchestrator.matrix.facts import CatalogueFacts
from orchestrator.matrix.rules import Exclusion
from orchestrator.model import (
    ABSENT,
    FREE_THREADED,
    INSTRUMENT,
    Arch,
    Base,
    Catalogue,
    CellEnvironment,
    ExcludedCells,
    InterpreterKind,
    OwnPython,
    ProbeKind,
    Scenario,
    Toolchain,
)


@dataclass(frozen=True)
class _Reason:
    """Why a cell does not run, and the place of the rule, if a rule excludes it."""

    text: str
    where: str | None = None


_ReasonOf = AxisFunction[_Reason | None]
Axes = Mapping[str, str]


class Exclusions:
    """The exclusions of one scenario: the matrix's rules, its own rules, then unmet needs."""

    def __init__(
        self,
        scenario: Scenario,
        catalogue: Catalogue,
        rules: Iterable[Exclusion],
        facts: CatalogueFacts,
        *,
        pythons: Sequence[str],
    ) -> None:
        stated = [facts.when(rule.when, _Reason(rule.reason, rule.where)) for rule in rules]
        needs = _Needs(scenario=scenario, catalogue=catalogue, pythons=pythons)
        self._reasons: list[_ReasonOf] = [*stated, *needs.reasons()]

    def partition(self, blocks: Sequence[Block], grid: Block) -> tuple[list[Block], list[ExcludedCells]]:
        """Those cells of a grid's blocks that run, and the others, each with the first reason against it."""
        left, excluded = list(blocks), list[ExcludedCells]()
        for reason_of in self._reasons:
            reasons: dict[_Reason | None, list[Block]] = {}
            for block, reason in reason_of.partition(left):
                reasons.setdefault(reason, []).append(block)
            left = joined(reasons.pop(None, []), grid)
            excluded += [
                ExcludedCells(axes=dict(block), reason=reason.text, where=reason.where)
                for reason, out in reasons.items()
                if reason
                for block in joined(out, grid)
            ]
        return left, excluded


@dataclass(frozen=True, kw_only=True)
class _Needs:
    """The needs of a scenario's cells: for each need a function of the axes that decide it."""

    scenario: Scenario
    catalogue: Catalogue
    pythons: Sequence[str]
    """All values of the python axis."""

    def reasons(self) -> Iterator[_ReasonOf]:
        """Functions that return why a need is not met, or None. The first reason counts."""
        yield _reason_of(self._probe, "probe")
        yield _reason_of(self._environment, "python", "glibc", "arch", "launcher")
        yield _reason_of(self._language, "probe")
        yield _reason_of(self._stable_abi, "python", "probe")
        yield _reason_of(self._compiler, "python", "glibc", "arch", "launcher", "probe")
        yield _reason_of(self._same_elsewhere, "python", "glibc", "arch", "probe")
        yield _reason_of(self._instrument, "python", "glibc", "arch", "probe", INSTRUMENT)

    def _probe(self, axes: Axes) -> str | None:
        lacks = axes["probe"] != ABSENT and self.scenario.probe(axes["probe"]) is None
        return f"scenario {self.scenario.name} has no {axes['probe']} probe" if lacks else None

    def _environment(self, axes: Axes) -> str | None:
        """Why the catalogue cannot make an environment, if it cannot."""
        glibc, arch, launcher = axes["glibc"], Arch(axes["arch"]), axes["launcher"]
        base = self.catalogue.base_for(glibc, arch)
        if base is None:
            return f"no base with glibc {glibc} for {arch} in the catalogue"
        if lacks := self.catalogue.lacks_source(base, arch) or self._interpreter(base, axes):
            return lacks
        return None if launcher in LAUNCHERS else f"no launcher is called {launcher}"

    def _interpreter(self, base: Base, axes: Axes) -> str | None:
        python, arch, launcher = axes["python"], Arch(axes["arch"]), axes["launcher"]
        found = self.catalogue.interpreter_for(base, python, arch)
        if found is None:
            return _no_interpreter(self.catalogue, python, arch)
        compiled = found.kind is InterpreterKind.PORTABLE or (
            found.kind is InterpreterKind.ARCHIVE and launcher != "plain"
        )
        if compiled and self.catalogue.lacks_toolchain:
            return self.catalogue.lacks_toolchain
        if launcher not in LAUNCHERS:
            return None
        environment = CellEnvironment(base=base, python=found, arch=arch, host=self.catalogue.host)
        return LAUNCHERS[launcher].lacks(environment)

    def _language(self, axes: Axes) -> str | None:
        known = axes["probe"] in (ABSENT, *self.catalogue.languages)
        return None if known else f"no toolchain for {axes['probe']} probes in the catalogue"

    def _stable_abi(self, axes: Axes) -> str | None:
        """Why a probe cannot be compiled for a free-threaded CPython, if it cannot."""
        python, probe = axes["python"], axes["probe"]
        if not python.endswith(FREE_THREADED) or probe in (ABSENT, ProbeKind.C):
            return None
        return f"a {probe} probe keeps to the stable ABI, which free-threaded CPython {python} does not have"

    def _compiler(self, axes: Axes) -> str | None:
        """Why a probe cannot be compiled for a cell, or not started there, if it cannot."""
        arch, launcher = Arch(axes["arch"]), axes["launcher"]
        probe = self.scenario.probe(axes["probe"])
        base = self.catalogue.base_for(axes["glibc"], arch)
        python = self.catalogue.interpreter_for(base, axes["python"], arch) if base else None
        if probe is None or base is None or python is None:
            return None
        if self.scenario.target(probe.language).kind not in LAUNCHERS[launcher].starts:
            return f"a {probe.language} probe is a program of its own, which {launcher} does not load"
        compiler = probe.toolchain_for(python.kind)
        if compiler is Toolchain.GCC:
            return self.catalogue.lacks_toolchain
        if compiler is not Toolchain.NATIVE or base.compiler_beside(python):
            return None
        return f"{base.name} brings nothing to compile {probe.language} with"

    def _same_elsewhere(self, axes: Axes) -> str | None:
        """Why a program without Python does not run beside this interpreter: one is enough for each base.

        It is the first of the matrix that the base brings itself, or else the first that can be had there.
        """
        glibc, arch, probe = axes["glibc"], Arch(axes["arch"]), axes["probe"]
        base = self.catalogue.base_for(glibc, arch)
        if probe != ProbeKind.C or base is None:
            return None
        there = {python: self.catalogue.interpreter_for(base, python, arch) for python in self.pythons}
        own = (python for python, found in there.items() if isinstance(found, OwnPython))
        one = next(own, None) or next((python for python, found in there.items() if found), axes["python"])
        if axes["python"] == one:
            return None
        return f"a {probe} probe has no Python in it: on glibc {glibc} it runs beside {one} only"

    def _instrument(self, axes: Axes) -> str | None:
        """Why the instrument cannot watch the probe in its environment, if it cannot."""
        instrument, arch = INSTRUMENTS.get(axes.get(INSTRUMENT, ABSENT)), Arch(axes["arch"])
        probe, base = self.scenario.probe(axes["probe"]), self.catalogue.base_for(axes["glibc"], arch)
        python = self.catalogue.interpreter_for(base, axes["python"], arch) if base else None
        if instrument is None or base is None or python is None:
            return None
        environment = CellEnvironment(base=base, python=python, arch=arch, host=self.catalogue.host)
        return instrument.lacks(environment, probe)


def _reason_of(text_of: Callable[[Axes], str | None], *axes: str) -> _ReasonOf:
    def reason(values: Axes) -> _Reason | None:
        text = text_of(values)
        return _Reason(text) if text else None

    return AxisFunction(axes, reason)


def _no_interpreter(catalogue: Catalogue, python: str, arch: Arch) -> str:
    """Why no interpreter of this version can run on a base of this architecture, and where there is one."""
    bounded = {
        item.lowest_glibc: item for item in reversed(catalogue.copied(python, arch)) if item.lowest_glibc
    }
    if bounded:
        lowest = min(bounded, key=Version)
        needs = f"CPython {bounded[lowest].version} ({bounded[lowest].kind}) needs glibc {lowest} or later"
        return f"{needs}, and its sources are not in the catalogue"
    others = [
        other.name
        for other in catalogue.bases
        if arch in other.arches
        and any(own.version == python for own in other.pythons)
        and not catalogue.lacks_source(other, arch)
    ]
    if others:
        return f"CPython {python} for {arch} only as {' and '.join(others)}'s own binary"
    return (
        f"no source for CPython {python} for {arch} in the catalogue: one is added to `interpreters` of "
        "a copy of images/catalogue.yaml"
    )
