"""GitHub by its own program, `gh`, which every runner of GitHub Actions has."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import tenacity
from pydantic import ValidationError

from orchestrator.adapters import process
from orchestrator.errors import HostError, InputError, TransientError
from orchestrator.model import Artifact, TrackedIssue

HINT: Final = "check GH_TOKEN, GH_REPO and the permissions of the job (docs/nights.md)"
ATTEMPTS: Final = 3
TIMEOUT: Final = 600
"""Seconds for one call: an artifact of a night has some hundred megabytes at most."""
MOST_ISSUES: Final = 1_000
LABEL: Final = "crashmatrix"
"""The label of the issues that stand for causes: only people who may set labels can make such an issue."""
_retried = tenacity.retry(
    retry=tenacity.retry_if_exception_type(TransientError),
    stop=tenacity.stop_after_attempt(ATTEMPTS),
    wait=tenacity.wait_exponential(max=4),
    reraise=True,
)


@dataclass(frozen=True, kw_only=True)
class WorkflowRun:
    """The run of a workflow that this process is part of."""

    id: int
    branch: str
    repository: int
    url: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """The run that GitHub Actions describes in the environment; raises InputError elsewhere."""
        try:
            run = int(environ["GITHUB_RUN_ID"])
            server, repository = environ["GITHUB_SERVER_URL"], environ["GITHUB_REPOSITORY"]
            return cls(
                id=run,
                branch=environ["GITHUB_REF_NAME"],
                repository=int(environ["GITHUB_REPOSITORY_ID"]),
                url=f"{server}/{repository}/actions/runs/{run}",
            )
        except (KeyError, ValueError) as error:
            raise InputError(
                f"this is no job of GitHub Actions: {error} is missing or not a number",
                hint="`crashmatrix night` reads from it which run and branch this is",
            ) from error


class GitHub:
    """A repository's artifacts and issues. Raises HostError where GitHub refuses or is away."""

    def artifacts(self, name: str) -> list[Artifact]:
        """The artifacts of this name, of all runs; the newest hundred."""
        path = f"repos/{{owner}}/{{repo}}/actions/artifacts?per_page=100&name={name}"
        return [_artifact(item) for item in _json(("api", path))["artifacts"] if item["workflow_run"]]

    def download(self, artifact: Artifact, name: str, into: Path) -> None:
        """Unpack the artifact of this name of a run into a folder that does not exist yet."""

        @_retried
        def download() -> None:
            shutil.rmtree(into, ignore_errors=True)
            _gh("run", "download", str(artifact.run), "--name", name, "--dir", str(into))

        download()

    def issues(self) -> list[TrackedIssue]:
        """The issues that stand for causes, open and closed."""
        fields = ("--json", "number,state,stateReason,title,body")
        found = _json(
            ("issue", "list", "--label", LABEL, "--state", "all", "--limit", str(MOST_ISSUES), *fields)
        )
        issues = (
            TrackedIssue.of(
                number=item["number"],
                is_open=item["state"] == "OPEN",
                not_planned=item["stateReason"] == "NOT_PLANNED",
                title=item["title"],
                body=item["body"],
            )
            for item in found
        )
        return [issue for issue in issues if issue]

    def have_label(self) -> None:
        """Make the label where it is missing."""
        words = ("--description", "a cause that crashmatrix found", "--color", "B60205", "--force")
        _gh("label", "create", LABEL, *words)

    def open_issue(self, title: str, body: str) -> None:
        """Open an issue. Never retried: an attempt that seems to fail may have opened one."""
        _gh("issue", "create", "--label", LABEL, "--title", title, "--body-file", "-", stdin=body)

    def update(self, number: int, title: str, body: str) -> None:
        """Replace an issue's title and text."""
        _retried(_gh)("issue", "edit", str(number), "--title", title, "--body-file", "-", stdin=body)

    def close(self, number: int, comment: str) -> None:
        """Close an issue, and say why."""
        _gh("issue", "close", str(number), "--reason", "completed", "--comment", comment)

    def reopen(self, number: int, comment: str) -> None:
        """Open an issue again, and say why."""
        _gh("issue", "reopen", str(number), "--comment", comment)


def _gh(*arguments: str, stdin: str | None = None) -> str:
    given = None if stdin is None else stdin.encode()
    return process.run(("gh", *arguments), hint=HINT, timeout=TIMEOUT, stdin=given).text


def _json(arguments: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    text = _retried(_gh)(*arguments)
    try:
        return json.loads(text)
    except ValueError as error:
        raise HostError(f"gh {arguments[0]} printed no JSON: {text[:80]!r}", hint=HINT) from error


def _artifact(item: Mapping[str, Any]) -> Artifact:
    run = item["workflow_run"]
    try:
        return Artifact(
            id=item["id"],
            expired=item["expired"],
            run=run["id"],
            branch=run["head_branch"] or "",
            repository=run["repository_id"],
            head_repository=run["head_repository_id"],
        )
    except (KeyError, ValidationError) as error:
        raise HostError("gh api describes an artifact in another way than known", hint=HINT) from error
