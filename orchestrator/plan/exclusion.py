"""Why a cell does not run: a rule says so, or the catalogue cannot make what it needs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from orchestrator.model import (
    ABSENT,
    INSTRUMENT,
    Arch,
    Base,
    Catalogue,
    Cell,
    ExcludedCell,
    Instrument,
    InterpreterKind,
    OwnPython,
    ProbeKind,
    ProbeSource,
    Scenario,
    Toolchain,
)
from orchestrator.plan.expression import Remembered
from orchestrator.plan.matrix import Exclusion

INSTRUMENTS: Final = frozenset({Instrument.STRACE, Instrument.VALGRIND})
"""Those that images and supervisor know."""


class Exclusions:
    """What keeps cells of one scenario from running.

    Most cells of a large matrix are excluded, and alike: what was worked out of a few axis values is
    remembered for all cells that share them.
    """

    def __init__(
        self,
        scenario: Scenario,
        catalogue: Catalogue,
        rules: Iterable[Exclusion],
        *,
        pythons: Sequence[str],
    ) -> None:
        self._scenario = scenario
        self._catalogue = catalogue
        self._pythons = pythons
        self._rules = [(Remembered(rule.when), rule) for rule in rules]
        self._lacks: dict[tuple[str, ...], str | None] = {}

    def of(self, cell: Cell, axes: Mapping[str, str]) -> ExcludedCell | None:
        """Why a cell of these axis values does not run; None where it does. The first rule counts."""
        for when, rule in self._rules:
            if when.holds(axes):
                return ExcludedCell(cell=cell, reason=rule.reason, where=rule.where)
        reason = self._lack(cell, axes.get(INSTRUMENT, ABSENT))
        return ExcludedCell(cell=cell, reason=reason) if reason else None

    def _lack(self, cell: Cell, instrument: str) -> str | None:
        made_of = (cell.python, cell.glibc, cell.arch, cell.launcher, cell.probe, instrument)
        if made_of not in self._lacks:
            self._lacks[made_of] = self._lack_of(cell)
        return self._lacks[made_of]

    def _lack_of(self, cell: Cell) -> str | None:
        catalogue, probe = self._catalogue, self._scenario.probe(cell.probe)
        if probe is None:
            return f"scenario {self._scenario.name} has no {cell.probe} probe"
        return (
            _unavailable(cell, catalogue)
            or _not_compiled(cell, catalogue, probe)
            or _same_elsewhere(cell, catalogue, probe, self._pythons)
            or _lacks_instrument(cell, catalogue)
        )


def _unavailable(cell: Cell, catalogue: Catalogue) -> str | None:
    """Why the catalogue cannot make this cell's environment, if it cannot."""
    base = catalogue.base_for(cell.glibc, cell.arch)
    if base is None:
        return f"no base with glibc {cell.glibc} for {cell.arch} in the catalogue"
    if lacks := catalogue.lacks_source(base, cell.arch) or _lacks_interpreter(cell, base, catalogue):
        return lacks
    if cell.launcher not in catalogue.launchers:
        return f"no launcher {cell.launcher} in the catalogue"
    if cell.probe not in catalogue.languages:
        return f"no toolchain for {cell.probe} probes in the catalogue"
    return None


def _lacks_instrument(cell: Cell, catalogue: Catalogue) -> str | None:
    if cell.instrument is Instrument.NONE:
        return None
    if cell.instrument not in INSTRUMENTS:
        return f"instrument {cell.instrument} is not built yet"
    if cell.arch is not Arch.X86_64:
        return f"instrument {cell.instrument} is known to work on x86_64 only; qemu-user knows no ptrace"
    base = catalogue.base_for(cell.glibc, cell.arch)
    if base is None or base.debian is None or base.pulled:
        return f"instrument {cell.instrument} is installed on Debian's bases only"
    return None


def _not_compiled(cell: Cell, catalogue: Catalogue, probe: ProbeSource) -> str | None:
    """Why a probe cannot be compiled for this cell, or not started there, if it cannot."""
    if probe.language.is_program and cell.launcher != "plain":
        return f"a {cell.probe} probe is a program of its own, which {cell.launcher} does not load"
    base = catalogue.base_for(cell.glibc, cell.arch)
    python = catalogue.interpreter_for(base, cell.python, cell.arch) if base else None
    compiler = probe.toolchain_for(python.kind) if python else None
    if compiler is Toolchain.GCC:
        return catalogue.lacks_toolchain
    if base is None or python is None or compiler is not Toolchain.NATIVE:
        return None
    return (
        None if base.compiler_beside(python) else f"{base.name} brings nothing to compile {cell.probe} with"
    )


def _same_elsewhere(
    cell: Cell, catalogue: Catalogue, probe: ProbeSource, pythons: Sequence[str]
) -> str | None:
    """Why a program without Python is not asked beside this interpreter: one stands for all of a base.

    It is the first of the matrix that the base brings itself, or else the first that can be had there.
    """
    base = catalogue.base_for(cell.glibc, cell.arch)
    if probe.language is not ProbeKind.C or base is None:
        return None
    there = {python: catalogue.interpreter_for(base, python, cell.arch) for python in pythons}
    own = (python for python, found in there.items() if isinstance(found, OwnPython))
    one = next(own, None) or next((python for python, found in there.items() if found), cell.python)
    if cell.python == one:
        return None
    return f"a {cell.probe} probe has no Python in it: on glibc {cell.glibc} it is asked beside {one} only"


def _lacks_interpreter(cell: Cell, base: Base, catalogue: Catalogue) -> str | None:
    interpreter = catalogue.interpreter_for(base, cell.python, cell.arch)
    if interpreter is None:
        return _no_interpreter(cell, catalogue)
    if interpreter.kind is InterpreterKind.PORTABLE and catalogue.lacks_toolchain:
        return catalogue.lacks_toolchain
    if cell.launcher != "plain" and isinstance(interpreter, OwnPython) and not interpreter.toolchain:
        return f"{base.name}'s own CPython {cell.python} brings nothing to build {cell.launcher} with"
    return None


def _no_interpreter(cell: Cell, catalogue: Catalogue) -> str:
    """Why no interpreter of this version can run on the cell's base, and where there is one."""
    others = [
        other.name
        for other in catalogue.bases
        if cell.arch in other.arches
        and any(own.version == cell.python for own in other.pythons)
        and not catalogue.lacks_source(other, cell.arch)
    ]
    if others:
        return f"CPython {cell.python} for {cell.arch} only as {' and '.join(others)}'s own binary"
    return f"no source for CPython {cell.python} for {cell.arch} in the catalogue"
