"""What no document may hold, put in each place of a run's documents, must be refused in each.

tests/unit/test_hostile_schemas.py gives commands what a schema allows, so it cannot notice a check that a
schema loses: what is made by the schema is made without the check then, too. Here the rules stand alone.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.cli.schemas import SCHEMAS
from orchestrator.model import CellResult, Plan
from orchestrator.model.base import LONGEST_TEXT
from orchestrator.pipeline import reporting
from orchestrator.rundir.layout import DERIVED, PLAN, RESULT
from tests.unit import run_factory as factory

Json = Any
TOO_LONG = "x" * (LONGEST_TEXT + 1)
SHOWN = 60


def places(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    """Each value in a document, with its path."""
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def forbidden(value: Json) -> tuple[str, ...]:
    """JSON that must not stand in a value's place."""
    match value:
        case bool() | None:
            return ()
        case int():
            return (str(1 << 65), str(-(1 << 65)))
        case float():
            return ("NaN", "Infinity", "-Infinity", "1e999")
        case str():
            return (json.dumps(TOO_LONG),)
    return ()


def with_value(document: Json, path: tuple[str | int, ...], text: str) -> str:
    """A document as JSON with other JSON in one place."""
    mark = "\x00place"
    if not path:
        return text
    copy = json.loads(json.dumps(document))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = mark
    return json.dumps(copy).replace(json.dumps(mark), text)


def accepted(kind: type, text: str) -> bool:
    try:
        kind.model_validate_json(text)  # type: ignore[attr-defined]
    except (ValidationError, ValueError):
        return False
    return True


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cells = (factory.cell(0), factory.cell(1))
    folder = factory.write_run(tmp_path_factory.mktemp("runs") / "run", factory.RunSpec(cells=cells))
    reporting.write_reports(folder)
    return folder


@pytest.mark.parametrize("kind", [CellResult, Plan, *DERIVED], ids=lambda kind: kind.__name__)
def test_numbers_without_bounds_and_texts_without_end_are_refused_everywhere(
    run: Path, kind: type[CellResult]
) -> None:
    names = {CellResult: RESULT, Plan: PLAN, **DERIVED}
    path = next(run.rglob(str(names[kind])), None)
    if path is None:
        pytest.skip("this run has none")
    document = json.loads(path.read_text())
    assert accepted(kind, json.dumps(document))
    for place, value in places(document):
        for text in forbidden(value):
            assert not accepted(kind, with_value(document, place, text)), (place, text[:SHOWN])


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_object_takes_a_field_that_it_does_not_know_and_no_number_is_endless(name: str) -> None:
    """By the schema: in each definition, also those that few documents have."""
    schema = SCHEMAS[name]().model_json_schema()
    for path, part in places(schema):
        if not isinstance(part, dict) or (path and path[-1] in ("properties", "$defs")):
            continue
        if part.get("type") == "object" and "properties" in part:
            assert part.get("additionalProperties") is False, path
        if part.get("type") in ("integer", "number") and not {"const", "enum"} & part.keys():
            assert {"minimum", "exclusiveMinimum"} & part.keys(), path
            assert {"maximum", "exclusiveMaximum"} & part.keys(), path
