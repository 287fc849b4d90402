"""The action as a user has it: a repository of their own, and a workflow that names it in five lines."""

import zipfile
from collections.abc import Iterator
from typing import Final

from tests.chaos.table import Row, compared, matched
from tests.workflows.lab import Lab

COMMIT: Final = "0123456789abcdef0123456789abcdef01234567"
ACTION: Final = f"owner/crashmatrix@{COMMIT}"
WORKFLOW: Final = """\
on: push
permissions: {contents: read}
jobs:
  crash:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@9c091bb21b7c1c1d1991bb908d89e4e9dddfe3e0 # v7.0.0
        with: {persist-credentials: false}
      - uses: %s
        with: {arguments: "-k 'glibc == \\"2.36\\" and launcher == \\"plain\\"'"}
"""
FILES: Final = {
    "repro.py": "import os\nos.abort()\n",
    "matrix.yaml": 'schema: 1\naxes: {python: ["3.11"], glibc: ["2.36", "2.41"], arch: [x86_64]}\n',
    "scenarios/repro.yaml": "schema: 1\nscript: repro.py\n",
    ".github/workflows/crash.yml": WORKFLOW % ACTION,
}
RUN: Final = 200


def action(lab: Lab) -> Iterator[Row]:
    """A user's script that crashes makes the job red, and the report and the summary say why."""
    user = lab.other("user", FILES)
    jobs = user.run(
        user.project / ".github/workflows/crash.yml", event="push", number=RUN, actions={ACTION: lab.project}
    )
    yield compared(
        "action",
        "the job is red: the script crashes",
        [("crash", "failure")],
        [(job.id, job.result) for job in jobs],
    )
    (name,) = user.store.names(RUN)
    yield compared("action", "the report is an artifact", "crashmatrix-crash-1", name)
    with zipfile.ZipFile(user.store.zip_of(name, RUN)) as archive:
        names = archive.namelist()
        (summary,) = (item for item in names if item.endswith("/summary.md"))
        text = archive.read(summary).decode()
    yield matched("action", "the summary names the crash", "SIGABRT.*1 of 1", text)
    cores = [item for item in names if item.rpartition("/")[2].startswith("core")]
    yield compared("action", "no core is in it", [], cores)
