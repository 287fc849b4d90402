"""ci.yml: its job that runs a matrix, and that each other one runs sessions that there are."""

import re
import zipfile
from collections.abc import Iterator
from typing import Any, Final

import yaml

from tests.chaos.table import Row, compared, matched
from tests.workflows.lab import Lab

WORKFLOW: Final = ".github/workflows/ci.yml"
RUN: Final = 1
SESSIONS: Final = re.compile(r"\./nox -s ([a-z ]+?)(?: -- .*)?")


def smoke(lab: Lab) -> Iterator[Row]:
    """A push to main, as far as `pairwise smoke`; the whole of the tests takes half an hour elsewhere."""
    part, path = "ci", lab.project / WORKFLOW
    jobs = lab.run(path, event="push", number=RUN, job="smoke")
    yield compared(
        part, "the smoke job is green", [("smoke", "success")], [(job.id, job.result) for job in jobs]
    )
    yield compared(part, "it keeps its report", ["report-smoke-1"], lab.store.names(RUN))
    with zipfile.ZipFile(lab.store.zip_of("report-smoke-1", RUN)) as archive:
        names = archive.namelist()
        (summary,) = (name for name in names if name.endswith("/summary.md"))
        text = archive.read(summary).decode()
    yield matched(part, "every pair of values is as expected", r"All 6 cells are as expected", text)
    yield compared(part, "cores in it", [], [name for name in names if "/core." in name])
    noxfile = (lab.project / "noxfile.py").read_text()
    known = set(re.findall(r"^@nox\.session\ndef (\w+)", noxfile, re.MULTILINE))
    wanted = {name for text in _commands(yaml.safe_load(path.read_text())) for name in text.split()}
    yield compared(part, "sessions of its jobs that there are not", [], sorted(wanted - known))
    yield compared(
        part,
        "sessions of its jobs",
        True,
        wanted >= {"lint", "types", "docs", "tests", "matrix", "workflows", "chaos"},
    )


def _commands(workflow: dict[str, Any]) -> Iterator[str]:
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if found := SESSIONS.fullmatch(step.get("run", "")):
                yield found[1]
