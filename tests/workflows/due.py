"""The short form of the nights: the job of nightly.yml that plans what each kind of machine is due to run."""

import zipfile
from collections.abc import Iterator
from typing import Final

from orchestrator.model import Plan
from tests.chaos.table import Row, compared
from tests.workflows.lab import Lab
from tests.workflows.story import INPUTS, WORKFLOW

RUN: Final = 50
MACHINES: Final = {"due-arm64": ["arm64"], "due-x86_64": ["arm64", "x86_64"]}


def due(lab: Lab) -> Iterator[Row]:
    """Without an earlier night each machine plans by the model, and the plans are artifacts."""
    part = "due"
    jobs = lab.run(lab.project / WORKFLOW, event="workflow_dispatch", number=RUN, inputs=INPUTS, job="due")
    yield compared(
        part, "both machines are green", [("due", "success")] * 2, [(job.id, job.result) for job in jobs]
    )
    yield compared(part, "their plans are artifacts", sorted(MACHINES), sorted(lab.store.names(RUN)))
    for name, arches in MACHINES.items():
        with zipfile.ZipFile(lab.store.zip_of(name, RUN)) as archive:
            plan = Plan.model_validate_json(archive.read(f"{name}.json"))
        found = sorted({item.cell.axes["arch"] for item in plan.cells})
        yield compared(part, f"{name} has cells of", arches, found)
