"""The commit and branch that a folder has checked out, read from git's files.

git itself is not run: a repository's configuration can name programs that git then starts, and projects are
untrusted. Formats: gitrepository-layout(5), gitglossary(7).
"""

import re
from pathlib import Path
from typing import Final, NamedTuple

from orchestrator.adapters.inside import open_regular

MOST: Final = 1 << 20
"""Bytes of a file that is read: packed-refs of a large repository has some hundred kilobytes."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BRANCH: Final = re.compile(r"ref: (?P<ref>refs/heads/(?P<name>[\w.+/-]{1,200}))")


class Checkout(NamedTuple):
    """A commit and the branch that points to it; None if there is none or it is unknown."""

    commit: str | None = None
    branch: str | None = None
    folder: str = "."
    """The path of the folder in its repository."""


def checkout(folder: Path) -> Checkout:
    """The commit and branch of the repository that a folder is in; both None where it is in none."""
    place = folder.resolve()
    git = next((item / ".git" for item in (place, *place.parents) if (item / ".git").exists()), None)
    if git is None:
        return Checkout()
    return _at(git)._replace(folder=place.relative_to(git.parent).as_posix())


def _at(git: Path) -> Checkout:
    own = git if git.is_dir() else _named(git, "gitdir: ", git.parent)
    head = _text(own / "HEAD") if own else ""
    if own is None or _COMMIT.fullmatch(head):
        return Checkout(commit=head or None)
    found = _BRANCH.fullmatch(head)
    if found is None or ".." in found["name"]:
        return Checkout()
    common = _named(own / "commondir", "", own) or own
    loose = _text(own / found["ref"]) or _text(common / found["ref"])
    commit = loose if _COMMIT.fullmatch(loose) else _packed(common, found["ref"])
    return Checkout(commit=commit, branch=found["name"])


def _named(file: Path, start: str, base: Path) -> Path | None:
    """The folder that a file names after a prefix."""
    text = _text(file)
    return base / text.removeprefix(start) if text.startswith(start) and text != start else None


def _packed(common: Path, ref: str) -> str | None:
    for line in _text(common / "packed-refs").splitlines():
        commit, _, name = line.partition(" ")
        if name == ref and _COMMIT.fullmatch(commit):
            return commit
    return None


def _text(path: Path) -> str:
    """The text of a regular file; empty where there is none, or it cannot be read."""
    try:
        with open_regular(path) as stream:
            return stream.read(MOST).decode("utf-8", "replace").strip()
    except OSError:
        return ""
