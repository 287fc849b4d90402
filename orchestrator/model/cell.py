"""Cells: one value for each axis, under one id that is used everywhere."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from packaging.version import Version
from pydantic import AfterValidator

from orchestrator.binary.arch import Arch
from orchestrator.model.base import Value

ENVIRONMENT_AXES: Final = ("python", "glibc", "arch", "launcher")
STANDARD_AXES: Final = ("scenario", *ENVIRONMENT_AXES, "probe")
VERSION_AXES: Final = frozenset({"python", "glibc"})
_STANDARD: Final = frozenset(STANDARD_AXES)
INSTRUMENT: Final = "instrument"
"""The axis that names the tool that watches the process under test (orchestrator/instruments)."""
MITIGATION: Final = "mitigation"
"""The axis that names the remedy a scenario offers against its crash."""
ABSENT: Final = "none"
"""The value of an axis that a cell does not have: how it reads in expressions. Left out of ids."""

_PEP440: Final = (
    r"(?:\d+!)?\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?(?:\+[a-z0-9]+(?:\.[a-z0-9]+)*)?"
)
PACKAGE_VERSION: Final = re.compile(_PEP440)
"""A version of a package in its canonical form (PEP 440, appendix B), as `str(Version(...))` writes it."""
AXIS_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
AXIS_VALUE: Final = re.compile(rf"(?=.{{1,64}}\Z)(?:[A-Za-z0-9][A-Za-z0-9._-]*|{_PEP440})")
"""What a value may hold. It becomes part of folder names, image tags and Dockerfiles, hence so narrow.
Only versions have `+` and `!`. No value has `=`, so an id `...+axis=value+axis=value` reads one way only."""
VERSION_VALUE: Final = re.compile(r"\d{1,4}(\.\d{1,4}){1,3}")
FREE_THREADED: Final = "t"
"""The end of a python axis value that means the free-threaded build of a version, as in its own ABI's tag."""
PYTHON_VALUE: Final = re.compile(rf"{VERSION_VALUE.pattern}{FREE_THREADED}?")


class Cell(Value):
    """One value for each axis. `own` has the project's own axes in matrix order, then the scenario's."""

    scenario: str
    python: str
    glibc: str
    arch: Annotated[Arch, AfterValidator(Arch.of_matrix)]
    launcher: str
    probe: str
    own: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_axes(cls, values: Mapping[str, str]) -> "Cell":
        """Make the cell of a complete assignment of axis values."""
        own = tuple([item for item in values.items() if item[0] not in _STANDARD])
        return cls.model_validate({axis: values[axis] for axis in STANDARD_AXES} | {"own": own})

    @property
    def axes(self) -> dict[str, str]:
        """All axis values by axis name, standard axes first."""
        return {
            "scenario": self.scenario,
            "python": self.python,
            "glibc": self.glibc,
            "arch": str(self.arch),
            "launcher": self.launcher,
            "probe": self.probe,
            **dict(self.own),
        }

    @property
    def environment(self) -> str:
        """The part of the id that names the environment, without scenario and probe."""
        return f"py{self.python}-glibc{self.glibc}-{self.arch}-{self.launcher}"

    @property
    def question(self) -> str:
        """The part of the id that names the test: scenario, probe and all axes that are not standard."""
        return f"{self.scenario}{self._probe_suffix}{self.own_suffix}"

    @property
    def id(self) -> str:
        """The cell's one name, for example tls-atexit/py3.13-glibc2.36-x86_64-uwsgi-cpp."""
        # In one piece: each page, table and document names every cell.
        probe = "" if self.probe == ABSENT else f"-{self.probe}"
        own = self.own_suffix if self.own else ""
        where = f"py{self.python}-glibc{self.glibc}-{self.arch}-{self.launcher}"
        return f"{self.scenario}/{where}{probe}{own}"

    @property
    def instrument(self) -> str:
        """The tool that watches the process; `none` if there is none."""
        return next((value for axis, value in self.own if axis == INSTRUMENT), ABSENT)

    @property
    def _probe_suffix(self) -> str:
        return "" if self.probe == ABSENT else f"-{self.probe}"

    @property
    def own_values(self) -> list[tuple[str, str]]:
        """The axes that are not standard and that this cell has, with their values."""
        return [(axis, value) for axis, value in self.own if value != ABSENT]

    @property
    def own_suffix(self) -> str:
        """The part of the id that names the values of the axes that are not standard."""
        return "".join([f"+{axis}={value}" for axis, value in self.own_values])


def is_version(axis: str, value: str) -> bool:
    """Whether a version axis can have a value: python also has the free-threaded builds."""
    return (PYTHON_VALUE if axis == "python" else VERSION_VALUE).fullmatch(value) is not None


def version_key(axis: str, value: str) -> Version:
    """The sort key of a value of a version axis.

    Of python and glibc a number after the series says whether the build is free-threaded, which is behind all
    other releases of its series and before the next one: 3.13 < 3.13.5 < 3.13t < 3.13.5t < 3.14.
    """
    if axis not in VERSION_AXES:
        return Version(value)
    major, minor, *rest = value.removesuffix(FREE_THREADED).split(".")
    return Version(".".join((major, minor, str(int(value.endswith(FREE_THREADED))), *rest)))


def in_series(release: str, series: str) -> bool:
    """Whether a release of CPython is of a series, or is that release: 3.13.5t is of 3.13t, 3.13.5 is not."""
    one, other = release.removesuffix(FREE_THREADED), series.removesuffix(FREE_THREADED)
    same_build = release.endswith(FREE_THREADED) == series.endswith(FREE_THREADED)
    return same_build and f"{one}.".startswith(f"{other}.")


def version_depth(value: str) -> int:
    """How many numbers of its key a version states: 3.13 leaves open which release and build it means."""
    numbers = value.removesuffix(FREE_THREADED).split(".")
    return len(numbers) + (len(numbers) > 2 or value.endswith(FREE_THREADED))


def orders_as_version(axis: str, values: Iterable[str]) -> bool:
    """Whether an axis compares as versions: python and glibc, and axes of nothing but versions and `none`.

    Versions are those of PEP 440, as the versions of a package are.
    """
    named = [value for value in values if value != ABSENT]
    return axis in VERSION_AXES or (bool(named) and all(map(PACKAGE_VERSION.fullmatch, named)))
