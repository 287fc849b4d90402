"""What reading a container's trials needs: nothing of crashes where none is."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from orchestrator.adapters.engine import Engine
from orchestrator.crash import StackCache
from orchestrator.execute import TrialRequest
from orchestrator.model import Expectation, OutcomeKind
from orchestrator.pipeline.sources import Sources
from orchestrator.pipeline.trials import TrialReader
from tests.unit.run_factory import cell, outcome


def no_stacks() -> StackCache:
    pytest.fail("the stacks of earlier crashes were asked for")


def test_trials_without_a_core_ask_for_no_stacks(tmp_path: Path) -> None:
    """To open the stack cache imports all that reads crashes: a tenth of a second of each run."""
    watched = SimpleNamespace(instrument=SimpleNamespace(no_core="the instrument leaves none"))
    request = SimpleNamespace(
        command=watched,
        expectation=Expectation(kind=OutcomeKind.EXIT, status=0, because="it ends"),
        number=lambda index: index + 1,
    )
    reader = TrialReader(
        engine=cast("Engine", None),
        root=tmp_path,
        stack_cache=no_stacks,
        request=cast("TrialRequest", request),
        sources=cast("Sources", None),
    )
    trials = list(reader.read([outcome(cell()), outcome(cell())]))
    assert [trial.number for trial in trials] == [1, 2]
