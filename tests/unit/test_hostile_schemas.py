"""Run folders whose documents are valid by their schemas, and hostile in each value, for all commands."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from orchestrator.cli.schemas import SCHEMAS
from orchestrator.rundir.layout import DERIVED
from tests.fuzz.folders import COMMANDS, FolderFuzzer
from tests.fuzz.schemas import documents

NAMES = {SCHEMAS[name](): name for name in SCHEMAS}
FILES = {NAMES[kind]: file for kind, file in DERIVED.items() if kind in NAMES} | {"plan": "plan.json"}
KNOWN = ("schema_version", "run", "cell", "image", "created")
"""What ties a document to its run: the true values, so that the rest is read."""
EXAMPLES = settings(
    max_examples=6, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)  # fmt: skip


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> FolderFuzzer:
    return FolderFuzzer(tmp_path_factory.mktemp("fuzz"))


def put(path: Path, value: Any) -> None:  # noqa: ANN401 - JSON
    """Write a document in place of one, as a part of the same run."""
    before = json.loads(path.read_text()) if path.exists() else {}
    known = {name: before[name] for name in KNOWN if name in before}
    path.write_text(json.dumps(value | known))


@pytest.mark.parametrize("name", FILES)
@EXAMPLES
@given(data=st.data())
def test_a_document_of_its_schema_breaks_nothing(
    fuzzer: FolderFuzzer, name: str, data: st.DataObject
) -> None:
    value = data.draw(documents(SCHEMAS[name]().model_json_schema()))
    command = data.draw(st.sampled_from(COMMANDS))
    outcome = fuzzer.read_changed(lambda folder: put(folder / FILES[name], value), lambda: command)
    event(outcome)


@settings(parent=EXAMPLES, max_examples=20)
@given(data=st.data())
def test_results_of_their_schema_break_nothing(fuzzer: FolderFuzzer, data: st.DataObject) -> None:
    value = data.draw(documents(SCHEMAS["result"]().model_json_schema()))
    command = data.draw(st.sampled_from(COMMANDS))

    def change(folder: Path) -> None:
        for path in sorted(folder.glob("cells/**/result.json"))[:2]:
            put(path, value)

    event(fuzzer.read_changed(change, lambda: command))
