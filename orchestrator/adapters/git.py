"""The user's git repository: its commits in order, and the files of one of them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.adapters import process
from orchestrator.errors import InputError, ToolError

HINT: Final = "install git"
LONGEST_TITLE: Final = 72


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
    _must(
        folder, "checkout-index", "--all", "--force", f"--prefix={into.absolute()}{os.sep}", env=environment
    )


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
    return process.run(["git", *arguments], cwd=folder, check=False, hint=HINT, env=env)
