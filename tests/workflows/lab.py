"""A lab: this checkout as a repository of its own, and `act`, which runs its workflows on this machine.

`act` (a Go module, requirements/act) runs the jobs of a workflow file on the host. What it has no server for
has stand-ins: GitHub's own actions (actions/) and `gh`, over one store (store.py).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.workflows.store import REPOSITORY, Store

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent
STANDINS: Final = ("checkout", "upload-artifact", "download-artifact")
USES: Final = re.compile(r"uses: (actions/([\w-]+))@([0-9a-f]{40})")
GIT: Final = shutil.which("git") or "git"
LABELS: Final = ("ubuntu-24.04", "ubuntu-24.04-arm")
TIMEOUT: Final = 1800
PROFILE: Final = """\
  lab:
    title: A few cells, to try the workflows
    axes:
      glibc: ["2.36"]
      python: ["3.11"]
      scenario: [tls-atexit]
      probe: [cpp, rust]
      defer: [none]
      mitigation: [none]
      instrument: [none]
"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of a workflow, of one combination of its matrix."""

    id: str
    matrix: str
    """Its values, in the order of the workflow."""
    result: str


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A repository in a folder, and what GitHub would keep of it."""

    folder: Path
    act: Path
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        """The repository."""
        return self.folder / "project"

    @property
    def store(self) -> Store:
        """Artifacts and issues."""
        return Store(self.folder / "store")

    def prepare(self) -> None:
        """Copy this checkout as it is, with a small profile, and commit it."""
        listed = subprocess.run(
            [GIT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                target = self.project / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)
        self.edit("matrix.yaml", "profiles:\n", f"profiles:\n{PROFILE}")
        self._begin()

    def other(self, name: str, files: Mapping[str, str]) -> "Lab":
        """Another repository, of these files."""
        made = Lab(folder=self.folder / name, act=self.act, seconds=self.seconds)
        for file, text in files.items():
            path = made.project / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        made._begin()
        return made

    def _begin(self) -> None:
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("remote", "add", "origin", "https://github.com/lab/lab.git")
        self.commit("the lab")
        programs = self.folder / "bin"
        programs.mkdir()
        write_gh(programs)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace what stands in a file once."""
        path = self.project / file
        text = path.read_text()
        if text.count(old) != 1:
            raise AssertionError(f"{file} has {old!r} {text.count(old)} times")
        path.write_text(text.replace(old, new))

    def git(self, *words: str) -> None:
        """Run git in the repository, as nobody."""
        who = {f"GIT_{role}_{what}": "lab" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        subprocess.run([GIT, *words], cwd=self.project, check=True, env={**os.environ, **who})

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--message", message)

    def run(
        self, workflow: Path, *, event: str, number: int, attempt: int = 1,
        inputs: Mapping[str, str] | None = None, env: Mapping[str, str] | None = None,
        actions: Mapping[str, Path] | None = None, job: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> list[Job]:  # fmt: skip
        """Run a workflow, or one job of it, as the run of this number; what became of its jobs.

        `actions` are other people's, `variables` the repository's.
        """
        name = f"{workflow.stem.removeprefix('again-')}-{number}-{attempt}"
        payload = {
            "inputs": dict(inputs or {}),
            "repository": {"default_branch": "main"},
            "ref": "refs/heads/main",
        }
        (self.folder / "event.json").write_text(json.dumps(payload))
        log = self.folder / f"{name}.jsonl"
        began = time.monotonic()
        with log.open("wb") as file:
            subprocess.run(
                [
                    *(str(self.act), event, *self._arguments(workflow, number, attempt, env or {})),
                    *_local(workflow, actions or {}),
                    *(("--job", job) if job else ()),
                    *(word for pair in (variables or {}).items() for word in ("--var", "=".join(pair))),
                ],
                cwd=self.project, stdout=file, stderr=file, check=False, timeout=TIMEOUT, env=self._environ(),
            )  # fmt: skip
        self.seconds[name] = time.monotonic() - began
        return list(_jobs(log.read_text(errors="replace")))

    def again(self, workflow: Path, jobs: list[Job]) -> Path:
        """The workflow as `re-run failed jobs` runs it: what succeeded is left as it is."""
        text = yaml.safe_load(workflow.read_text())
        text["on"] = text.pop(True)
        failed = {(job.id, job.matrix) for job in jobs if job.result != "success"}
        needs = {name: job.get("needs", []) for name, job in text["jobs"].items()}
        depend = {name for name, of in needs.items() if any(one in of for one, _ in failed)}
        for name, job in text["jobs"].items():
            mine = [json.loads(matrix) for one, matrix in failed if one == name and matrix]
            if mine:
                job["strategy"]["matrix"] = {"include": mine}
            elif name not in {one for one, _ in failed} | depend:
                job["steps"] = [{"run": "true"}]
        path = self.folder / f"again-{workflow.name}"
        path.write_text(yaml.safe_dump(text, sort_keys=False))
        return path

    def _arguments(self, workflow: Path, number: int, attempt: int, env: Mapping[str, str]) -> Iterator[str]:
        yield from ("--workflows", str(workflow), "--eventpath", str(self.folder / "event.json"), "--json")
        yield from ("--no-skip-checkout", "--use-new-action-cache", "--no-cache-server", "--pull=false")
        yield from ("--action-cache-path", str(self.folder / "act"), "--actor", "lab")
        yield from (word for label in LABELS for word in ("-P", f"{label}=-self-hosted"))
        told = {
            "GITHUB_RUN_ID": str(number), "GITHUB_RUN_ATTEMPT": str(attempt),
            "GITHUB_REPOSITORY_ID": str(REPOSITORY),
            "LAB_STORE": str(self.store.root), "LAB_PROJECT": str(self.project), "LAB_PYTHON": sys.executable,
            "LAB_ROOT": str(ROOT), "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "CRASHMATRIX_ENVIRONMENTS": os.environ.get("CRASHMATRIX_ENVIRONMENTS", str(ROOT / ".nox")), **env,
        }  # fmt: skip
        yield from (word for pair in told.items() for word in ("--env", "=".join(pair)))
        yield from ("--secret", "GITHUB_TOKEN=lab")

    def _environ(self) -> dict[str, str]:
        home = self.folder / "home"
        return {**os.environ, "XDG_CACHE_HOME": str(home), "ACT_DISABLE_VERSION_CHECK": "1"}


def _local(workflow: Path, actions: Mapping[str, Path]) -> Iterator[str]:
    """The flags that put folders in the place of actions: of others, and of GitHub's that all these use."""
    texts = [workflow.read_text(), *((folder / "action.yml").read_text() for folder in actions.values())]
    for action, name, commit in sorted(set(USES.findall("\n".join(texts)))):
        if name in STANDINS:
            yield from ("--local-repository", f"{action}@{commit}={HERE / 'actions' / name}")
    for action, folder in actions.items():
        yield from ("--local-repository", f"{action}={folder}")


def write_gh(folder: Path) -> None:
    """The stand-in of `gh`, as a program in a folder of PATH."""
    program = folder / "gh"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m tests.workflows.gh "$@"\n')
    program.chmod(0o755)


def _jobs(log: str) -> Iterator[Job]:
    """The results of jobs in act's log, by their steps': act calls a job failed if a sibling is."""
    failed: dict[tuple[str, str], bool] = {}
    for line in log.splitlines():
        try:
            said: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        if "jobID" in said:
            name = said["jobID"], json.dumps(said["matrix"], sort_keys=True) if said.get("matrix") else ""
            failed[name] = failed.get(name, False) or said.get("stepResult") == "failure"
    for (job, matrix), is_failed in failed.items():
        yield Job(id=job, matrix=matrix, result="failure" if is_failed else "success")
