"""The identity of a run: the project's commit and branch, the job of CI, the machine, the program."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from orchestrator import __version__
from orchestrator.adapters.checkout import Checkout, checkout
from orchestrator.model import RunIdentity

LONGEST: Final = 500
"""Characters of a value that a job of CI gives."""
COMMITS: Final = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT")
BRANCHES: Final = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "GIT_BRANCH")
"""Of GitHub, GitLab and Jenkins: there a checkout mostly stands on a commit and not on a branch."""
JOBS: Final = ("CI_JOB_URL", "BUILD_URL")


def run_identity(root: Path, environment: Mapping[str, str] = os.environ) -> RunIdentity:
    """The identity of a run of the project in `root`, as far as known before it starts."""
    found = checkout(root)
    commit, branch = _first(environment, COMMITS), _first(environment, BRANCHES)
    return RunIdentity(
        commit=found.commit or commit,
        # The job's branch is that of its own repository, which the project need not be in.
        branch=found.branch or (branch if commit in (None, found.commit) else None),
        job=_job(environment),
        files=_files(environment, found) if found.commit and found.commit == commit else None,
        host=platform.node(),
        kernel=f"{platform.system()} {platform.release()} {platform.machine()}",
        version=__version__,
    )


def _job(environment: Mapping[str, str]) -> str | None:
    """The address of the job of CI; GitHub gives it in parts (default environment variables of Actions)."""
    parts = [environment.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    url = "{}/{}/actions/runs/{}".format(*parts) if all(parts) else _first(environment, JOBS)
    return url[:LONGEST] if url and url.startswith(("https://", "http://")) else None


def _files(environment: Mapping[str, str], found: Checkout) -> str | None:
    """Where the job's repository shows the project's folder: GitHub's and GitLab's pages of files."""
    hub = [environment.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY")]
    lab = environment.get("CI_PROJECT_URL")
    start = "{}/{}/blob".format(*hub) if all(hub) else f"{lab}/-/blob" if lab else ""
    if not start.startswith("https://"):
        return None
    folder = "" if found.folder == "." else f"{quote(found.folder)}/"
    return f"{start}/{found.commit}/{folder}"[:LONGEST]


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environment[name][:LONGEST] for name in names if environment.get(name)), None)
