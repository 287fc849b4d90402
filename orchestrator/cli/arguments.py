"""Values of flags, from text; argparse turns the errors into a usage message and exit code 2."""

__lazy_modules__ = ("orchestrator",)

import argparse
import re

from orchestrator import model


def values(text: str) -> tuple[str, ...]:
    """Comma-separated values, none of them empty."""
    found = tuple(value.strip() for value in text.split(","))
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty value")
    return found


def own_axis(text: str) -> tuple[str, tuple[str, ...]]:
    """NAME=VALUE with the name of an axis and its values."""
    name, equals, rest = text.partition("=")
    if not equals or not model.AXIS_NAME.fullmatch(name):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, values(rest)


def shard(text: str) -> tuple[int, int]:
    """I/N with 1 <= I <= N."""
    match = re.fullmatch(r"(\d{1,5})/(\d{1,5})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with 1 <= I <= N")
    return int(match[1]), int(match[2])


def repository(text: str) -> str:
    """HOST/REPO: a repository of a registry, without a tag."""
    if not re.fullmatch(r"[a-z0-9.-]+(:\d{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+", text) or len(text) > 200:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not HOST/REPO, such as ghcr.io/owner/images")
    return text


def scheduler(text: str) -> str:
    """The address of a dask scheduler: HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT."""
    if (
        not re.fullmatch(r"(t(cp|ls)://)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):\d{1,5}", text)
        or len(text) > 300
    ):
        raise argparse.ArgumentTypeError(
            f"{text[:80]!r} is not HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT"
        )
    return text


def duration(text: str) -> tuple[str, float]:
    """A time such as 45m, 1h30m or 90s, up to a day: as it was given, and in seconds."""
    match = re.fullmatch(r"(?:(\d{1,2})h)?(?:(\d{1,4})m)?(?:(\d{1,5})s)?", text)
    hours, minutes, left = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + left
    if not 0 < total <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time up to a day, such as 45m or 1h30m")
    return text, float(total)


def positive(text: str) -> int:
    """A whole number from 1 to 10,000."""
    if not text.isdigit() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 10000")
    return int(text)


def seconds(text: str) -> float:
    """A time in seconds, up to an hour."""
    if not re.fullmatch(r"\d{1,5}(\.\d+)?", text) or not 0 < float(text) <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time up to 3600 seconds")
    return float(text)
