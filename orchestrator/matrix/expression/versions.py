"""Which value of an axis, or which version, the text of an expression means."""

from collections.abc import Sequence

from packaging.version import InvalidVersion, Version

from orchestrator.model import ABSENT, VERSION_AXES, orders_as_version


def known_value(axis: str, text: str, known: Sequence[str]) -> str | None:
    """The value of an axis that a text means: itself, or of a package the same version, 1.70 for 1.70.0."""
    if text in known or axis in VERSION_AXES or not orders_as_version(axis, known):
        return text if text in known else None
    versions = (value for value in known if value != ABSENT)
    return next((value for value in versions if Version(value) == parse_version(text)), None)


def parse_version(text: str) -> Version | None:
    """A version of PEP 440; None if the text is none."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def truncated(version: Version, depth: int) -> Version:
    """A version's first numbers: 3.13 of 3.13.5."""
    return Version(".".join(map(str, version.release[:depth])))
