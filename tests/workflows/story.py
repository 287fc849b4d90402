"""Two nights of nightly.yml: a re-run mends what went wrong with machines, a commit what fails."""

import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Final

from tests.chaos.table import Row, compared, matched
from tests.workflows.lab import Job, Lab
from tests.workflows.store import FORK

WORKFLOW: Final = ".github/workflows/nightly.yml"
INPUTS: Final = {"profile": "lab", "shards": "2"}
SCENARIO: Final = "scenarios/tls-atexit/scenario.yaml"
RULE: Final = """\
  - when: 'launcher == "plain"'
    outcome: exit
    status: clean
    message: 'tlsprobe: atexit callback ran, value alive'
"""
WRONG: Final = RULE.replace("value alive", "value lost")
BAD, FORKED, GOOD = 100, 101, 102
"""The runs of the two nights, and that of a pull request between them."""


def nights(lab: Lab) -> Iterator[Row]:
    """Night one, its re-run, and night two."""
    workflow = lab.project / WORKFLOW
    lab.edit(SCENARIO, RULE, WRONG)
    lab.commit("expect what does not happen")
    unlucky = {"LAB_LOST": "run-1-arm64-1", "LAB_SLOW": "arm64 2"}
    first = lab.run(workflow, event="workflow_dispatch", number=BAD, inputs=INPUTS, env=unlucky)
    yield from _first(lab, first)
    again = lab.again(workflow, first)
    yield from _again(lab, lab.run(again, event="workflow_dispatch", number=BAD, attempt=2, inputs=INPUTS))
    _forge(lab)
    lab.edit(SCENARIO, WRONG, RULE)
    lab.commit("expect what happens")
    yield from _second(lab, lab.run(workflow, event="workflow_dispatch", number=GOOD, inputs=INPUTS))


def _first(lab: Lab, jobs: Sequence[Job]) -> Iterator[Row]:
    part = "night 1"
    expected = {
        "x86_64 1": "failure", "x86_64 2": "success", "arm64 1": "failure", "arm64 2": "failure",
        "emulated 1": "success", "emulated 2": "success",
    }  # fmt: skip
    yield compared(part, "shards: one fails, one is lost, one is out of time", expected, _shards(jobs))
    yield compared(part, "the merge is red, the issues are told", ["failure", "success"], _others(jobs))
    yield compared(part, "artifacts of the merge", ["night-incomplete-1"], _nights(lab, BAD))
    left_out, had = _cores(lab)
    yield compared(part, "cores among the files of the shards", [], left_out)
    yield compared(part, "though results tell of some", True, had > 0)
    summary = _summary(lab, "night-incomplete-1", BAD)
    lost, late = (_missing(summary, why) for why in ("in no run", "planned, not run"))
    yield compared(part, "the summary counts the lost shard's cells", True, lost > 0)
    yield compared(part, "those that had no time: with them all of arm64", 4, lost + late)
    yield compared(part, "one cause of x86_64, one issue", [("OPEN", 0)], _issues(lab))
    yield matched(
        part,
        "its text",
        r"cells: 2 of 4.*run again.*--cell tls-atexit/.*/lab/lab/actions/runs/100",
        _body(lab),
    )


def _again(lab: Lab, jobs: Sequence[Job]) -> Iterator[Row]:
    part = "re-run"
    expected = {"x86_64 1": "failure", "arm64 1": "failure", "arm64 2": "success"}
    yield compared(part, "only what failed ran again", expected, _shards(jobs))
    yield compared(part, "the merge is red: cells fail", ["failure", "success"], _others(jobs))
    yield compared(part, "now the night is complete", ["night-incomplete-1", "night"], _nights(lab, BAD))
    yield compared(part, "no second issue", [("OPEN", 0)], _issues(lab))
    yield matched(part, "the issue has the cells of both architectures", "cells: 4 of 8", _body(lab))


def _second(lab: Lab, jobs: Sequence[Job]) -> Iterator[Row]:
    part = "night 2"
    yield compared(part, "all shards are green", {"success"}, set(_shards(jobs).values()))
    yield compared(part, "merge and issues too", ["success", "success"], _others(jobs))
    fetched = [call[2] for call in lab.store.calls() if call[:2] == ["run", "download"]]
    # Each machine of `due` for its times, and the merge to compare.
    yield compared(part, "it began from night 1, not from a fork's artifact", [str(BAD)] * 3, fetched)
    summary = _summary(lab, "night", GOOD)
    yield matched(part, "the summary says what is mended", r"fixed.*4", summary)
    yield matched(part, "and has the row of nights", r"\| fail \|.*\| 4 \|", summary)
    yield compared(part, "the issue is closed, with a word", [("CLOSED", 1)], _issues(lab))
    kept = lab.folder / "kept"
    lab.store.unpack("night", GOOD, kept)
    light = sorted(path.name for path in min(kept.iterdir()).iterdir())
    yield compared(part, "of night 1 it keeps", ["causes.json", "digest.json", "plan.json"], light)
    created = [call for call in lab.store.calls() if call[:2] == ["issue", "create"]]
    yield compared(part, "issues that were opened in all", 1, len(created))


def _forge(lab: Lab) -> None:
    """A pull request of a fork uploads an artifact of the same name."""
    forged = lab.folder / "forged.txt"
    forged.write_text("nothing")
    lab.store.add_artifact("night", FORKED, {"x": forged}, overwrite=False, repository=FORK)


def _shards(jobs: Sequence[Job]) -> dict[str, str]:
    found = {}
    for job in jobs:
        if job.id == "shard":
            matrix = json.loads(job.matrix)
            found[f"{matrix['kind']} {matrix['shard']}"] = job.result
    return dict(sorted(found.items(), key=lambda item: (item[0][0] == "e", item[0][0] != "x", item[0])))


def _others(jobs: Sequence[Job]) -> list[str]:
    return [job.result for name in ("merge", "issues") for job in jobs if job.id == name]


def _missing(summary: str, why: str) -> int:
    """How many cells of arm64 are missing for a reason; which shard has which, times decide."""
    found = re.findall(rf"Missing: (\d+) of 4 cells of arm64[^*]*{why}", summary)
    return sum(map(int, found))


def _nights(lab: Lab, run: int) -> list[str]:
    return [name for name in lab.store.names(run) if name.startswith("night")]


def _summary(lab: Lab, name: str, run: int) -> str:
    into = lab.folder / f"{name}-{run}"
    lab.store.unpack(name, run, into)
    return max(into.glob("*/summary.md"), key=lambda path: path.parent.name).read_text()


def _cores(lab: Lab) -> tuple[list[str], int]:
    """The cores in artifacts of the first night, and how many results tell of one."""
    found, told = [], 0
    for name in lab.store.names(BAD):
        with zipfile.ZipFile(lab.store.zip_of(name, BAD)) as archive:
            names = archive.namelist()
            found += [file for file in names if file.rpartition("/")[2].startswith("core.")]
            results = [file for file in names if file.endswith("/result.json")]
            told += sum(b'"state": "found"' in archive.read(file) for file in results)
    return found, told


def _issues(lab: Lab) -> list[tuple[str, int]]:
    """The state of each issue, and its comments."""
    return [(issue["state"], len(issue["comments"])) for issue in lab.store.issues()]


def _body(lab: Lab) -> str:
    return "\n".join(str(issue["body"]) for issue in lab.store.issues())
