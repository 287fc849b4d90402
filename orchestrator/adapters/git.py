"""The user's git repository: its commits in order, and the files of one of them.

A repository's own configuration and hooks can name programs that git starts, and a project that was unpacked,
not cloned, brings both. git reads them, and `INSTEAD` tells it otherwise: githooks(5), git-config(1).
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.adapters import process
from orchestrator.errors import InputError, ToolError

HINT: Final = "install git"
LONGEST_TITLE: Final = 72
INSTEAD: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "log.showSignature=false",
    "safe.bareRepository=explicit",  # a folder of a clone can look like one, with a configuration
    "protocol.allow=never",  # a partial clone fetches what it lacks
)
"""Settings that win over the repository's, each of which could name a program."""
NO_FILTER: Final = (("smudge", ""), ("process", ""), ("required", "false"))
_FILTER: Final = re.compile(r"filter\.(.+)\.(?:clean|smudge|process|required)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit with the first line of its message."""

    sha: str
    title: str


def commits(folder: Path, good: str, bad: str) -> tuple[Commit, ...]:
    """The commits from `good` to `bad`, both included, along first parents: a merge counts as one.

    Raises InputError where there is no repository, a name means no commit, or `good` is no ancestor.
    """
    first, last = (_commit(folder, name) for name in (good, bad))
    if _git(folder, "merge-base", "--is-ancestor", first, last).status:
        raise InputError(
            f"{good} is no ancestor of {bad}", hint="name the older commit first, and both of one branch"
        )
    listed = _git(folder, "rev-list", "--first-parent", "--reverse", f"{first}..{last}").text.split()
    return tuple(Commit(sha=sha, title=_title(folder, sha)) for sha in (first, *listed))


def write_files(folder: Path, sha: str, into: Path) -> None:
    """Write the files that lie in a folder at a commit, as a checkout would; submodules stay empty.

    Neither the repository's index nor its working tree is changed. Raises InputError where that commit has
    no such folder.
    """
    inside = _git(folder, "rev-parse", "--show-prefix").text.rstrip("\n")
    tree = f"{sha}:{inside.rstrip('/')}" if inside else sha
    into.mkdir(parents=True, exist_ok=True)
    environment = {"GIT_INDEX_FILE": str(into.with_name(f"{into.name}.index").absolute())}
    read = _git(folder, "read-tree", tree, env=environment)
    if read.status:
        raise InputError(f"commit {sha[:12]} has no folder {inside!r}", hint="name a later first commit")
    plainly = {**environment, **_without_filters(folder)}
    _must(folder, "checkout-index", "--all", "--force", f"--prefix={into.absolute()}{os.sep}", env=plainly)


def _commit(folder: Path, name: str) -> str:
    done = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if done.status == 0:
        return done.text.strip()
    inside = _git(folder, "rev-parse", "--is-inside-work-tree")
    if inside.status:
        raise InputError(
            f"no git repository has the folder {folder}: {inside.complaint}",
            hint="commits are those of the repository that `source:` lies in",
        )
    raise InputError(
        f"there is no commit {name!r}", hint="name it as `git log` does: a hash, a tag, a branch"
    )


def _title(folder: Path, sha: str) -> str:
    text = _must(folder, "log", "-1", "--format=%s", sha).text.strip()
    return text if len(text) <= LONGEST_TITLE else f"{text[: LONGEST_TITLE - 3]}..."


def _must(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> process.Completed:
    done = _git(folder, *arguments, env=env)
    if done.status:
        raise ToolError(f"git {arguments[0]} failed: {done.complaint}", hint="try it by hand")
    return done


def _git(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> process.Completed:
    safely = {"GIT_NO_LAZY_FETCH": "1", **(env or {})}
    return process.run(["git", *_safely(), *arguments], cwd=folder, check=False, hint=HINT, env=safely)


def _safely() -> Iterator[str]:
    for setting in INSTEAD:
        yield from ("-c", setting)


def _without_filters(folder: Path) -> dict[str, str]:
    """Variables by which git starts none of the programs that the repository filters files with.

    Filters of other names, such as the user's own for large files, are kept. A filter may have any name:
    a variable can hold it, and an option (`-c`) cannot.
    """
    names: set[str] = set()
    for place in ("--local", "--worktree"):
        query = ("--includes", "--null", "--name-only", "--get-regexp", r"^filter\.")
        said = _git(folder, "config", place, *query).text
        names |= {found[1] for key in said.split("\0") if (found := _FILTER.fullmatch(key))}
    told = [(f"filter.{name}.{key}", value) for name in sorted(names) for key, value in NO_FILTER]
    variables: dict[str, str] = {}
    first = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    for number, (key, value) in enumerate(told, first):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {**variables, "GIT_CONFIG_COUNT": str(first + len(told))}
