"""Reasons in words: why an environment has no wheel, the alternatives, and the versions of an index."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from orchestrator.model import WheelPlatform
from orchestrator.packages.index import IndexFile
from orchestrator.packages.tags import platform_tags, ranks, wheel_rank

MOST_VERSIONS: Final = 5
MOST_PLATFORMS: Final = 3
_CPYTHON: Final = re.compile(r"cp(\d)(\d+)")
_PLATFORM: Final = re.compile(
    r"(?P<system>.+?)_(?P<machine>x86_64|aarch64|amd64|arm64|i686|armv7l|ppc64le|s390x)"
)


def fits(item: IndexFile, platform: WheelPlatform) -> bool:
    """Whether an environment can install a file as it is."""
    return (
        item.is_wheel
        and wheel_rank(item.filename, platform) is not None
        and requires_met(item.requires_python, platform)
    )


def requires_met(requires_python: str | None, platform: WheelPlatform) -> bool:
    """Whether an interpreter is new enough for a file; what cannot be read does not count, as for uv."""
    try:
        return SpecifierSet(requires_python or "").contains(platform.python, prereleases=True)
    except InvalidSpecifier:
        return True


def newest(versions: Iterable[Version]) -> Version:
    """The newest version, a pre-release only where there is nothing else."""
    known = sorted(set(versions))
    final = [version for version in known if not version.is_prerelease]
    return (final or known)[-1]


def no_wheel(name: str, files: Sequence[IndexFile], platform: WheelPlatform) -> str:
    """Why none of the files of a distribution, those of wanted versions, fits an environment."""
    version = newest(item.version for item in files)
    own = [item for item in files if item.version == version]
    title = f"{name} {version}"
    unmet = {item.requires_python for item in own if not requires_met(item.requires_python, platform)}
    if len(unmet) == 1 and all(item.requires_python in unmet for item in own):
        return f"{title} requires Python {unmet.pop()}, and this is {platform.interpreter}"
    wheels = [item for item in own if item.is_wheel]
    if not wheels:
        return f"{title} has no wheels, only a source distribution"
    has, lacks = _there_is([tags for item in wheels for tags in _tags(item)], platform)
    return f"{title} has wheels for {has}; none for {lacks}"


def newest_sdist(files: Iterable[IndexFile], platform: WheelPlatform) -> IndexFile | None:
    """The newest source distribution that an interpreter is new enough for, if there is one."""
    sdists = [item for item in files if not item.is_wheel and requires_met(item.requires_python, platform)]
    if not sdists:
        return None
    version = newest(item.version for item in sdists)
    # A tar keeps what a zip loses, such as which files are programs.
    return min(
        (item for item in sdists if item.version == version),
        key=lambda item: (item.filename.endswith(".zip"), item.filename),
    )


def wrong_file(filename: str, platform: WheelPlatform) -> str:
    """Why an environment cannot install a wheel file."""
    tags = list(parse_wheel_filename(filename)[3])
    has, lacks = _there_is(tags, platform)
    return f"{filename} is for {has}, not for {lacks}"


def _tags(item: IndexFile) -> list[Tag]:
    return list(parse_wheel_filename(item.filename)[3])


def _there_is(tags: Sequence[Tag], platform: WheelPlatform) -> tuple[str, str]:
    """The platforms of wheels with these tags, and the part of an environment that does not match."""
    here = {*platform_tags(platform), "any"}
    known = {(tag.interpreter, tag.abi) for tag in ranks(platform)}
    same_platform = [tag for tag in tags if tag.platform in here]
    if same_platform:
        return f"{_interpreters(same_platform)}{_on(same_platform)}", platform.interpreter
    same_python = [tag for tag in tags if (tag.interpreter, tag.abi) in known]
    where = f"glibc {platform.glibc} on {platform.arch.gnu}"
    # Those of this architecture need another glibc.
    machine = re.compile(rf"(many)?linux.*_{platform.arch.gnu}")
    same_machine = [tag for tag in same_python if machine.fullmatch(tag.platform)]
    if same_python:
        nearest = same_machine or same_python
        return f"{_interpreters(nearest)}{_on(nearest)}", where
    return f"{_interpreters(tags)}{_on(tags)}", f"{platform.interpreter} with {where}"


def _interpreters(tags: Iterable[Tag]) -> str:
    """Interpreters in words: `cp38 to cp313`, `cp39-abi3`, `cp314t`."""
    plain, others = set(), set()
    for tag in tags:
        match = _CPYTHON.fullmatch(tag.interpreter)
        if match and tag.abi.rstrip("mu") == tag.interpreter:
            plain.add((int(match[1]), int(match[2])))
        elif match and tag.abi == f"{tag.interpreter}t":
            others.add(tag.abi)
        elif match:
            others.add(f"{tag.interpreter}-{tag.abi}")
        else:
            others.add(tag.interpreter)
    return ", ".join([*_runs(sorted(plain)), *sorted(others)])


def _runs(series: Sequence[tuple[int, int]]) -> list[str]:
    """Series as runs without a gap."""
    runs: list[list[tuple[int, int]]] = []
    for one in series:
        if runs and runs[-1][-1] == (one[0], one[1] - 1):
            runs[-1].append(one)
        else:
            runs.append([one])
    names = [["cp{}{}".format(*one) for one in run] for run in runs]
    return [name for run in names for name in (run if len(run) < 3 else [f"{run[0]} to {run[-1]}"])]


def _on(tags: Iterable[Tag]) -> str:
    """Platforms in words: ` on manylinux_2_17 x86_64`; nothing for wheels of every platform."""
    names = {tag.platform for tag in tags} - {"any"}
    # A wheel often has an old and a new name of the same platform.
    modern = {name for name in names if name.startswith("manylinux_")}
    shown = sorted(
        (modern or {name for name in names if "linux" in name and "musl" not in name} or names), key=_order
    )
    words = [_platform_words(name) for name in shown]
    more = len(words) - MOST_PLATFORMS
    listed = ", ".join(words[:MOST_PLATFORMS]) + (f" and {more} more" if more > 0 else "")
    return f" on {listed}" if listed else ""


def _order(platform: str) -> tuple[list[int], str]:
    """Platforms in the order of their versions."""
    return [int(number) for number in re.findall(r"\d+", platform)], platform


def _platform_words(name: str) -> str:
    match = _PLATFORM.fullmatch(name)
    return f"{match['system']} {match['machine']}" if match else name


def versions_there_are(versions: Iterable[Version], wanted: SpecifierSet) -> str:
    """The versions nearest to what was wanted and not found: all if they are few, else those around it."""
    known = sorted(set(versions))
    final = [version for version in known if not version.is_prerelease] or known
    if len(final) <= MOST_VERSIONS:
        return "there is " + " and ".join(map(str, final)) if final else "there is none"
    bounds = sorted(Version(item.version.removesuffix(".*")) for item in wanted if item.operator != "===")
    place = sum(version < bounds[0] for version in final) if bounds else len(final)
    near = final[max(0, place - 2) : place + 2]
    shown = dict.fromkeys([final[0], *near, final[-1]])
    return f"there are {len(final)}, among them {', '.join(map(str, shown))}"
