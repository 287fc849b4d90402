"""Which failures of an engine are met with another attempt, and what is said of the others."""

import docker
import pytest
import requests

from orchestrator.adapters.engine.calls import ATTEMPTS, engine_errors, retried
from orchestrator.errors import EngineError


def answer(status: int, said: str) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("no", response=response, explanation=said)


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (answer(500, "Handler for POST returned error: timeout"), ATTEMPTS),
        (requests.exceptions.ConnectionError("gone"), ATTEMPTS),
        (answer(500, "write /var/lib/docker/x: no space left on device"), 1),
        (answer(500, "lstat /x: not a directory"), 1),
        (answer(404, "No such container"), 1),
    ],
)
def test_what_would_come_again_is_tried_once(error: Exception, attempts: int) -> None:
    tried: list[int] = []

    def call() -> None:
        tried.append(1)
        raise error

    with pytest.raises(type(error)):
        retried(call)()
    assert len(tried) == attempts


def test_a_full_store_says_where_to_make_room() -> None:
    with pytest.raises(EngineError) as caught, engine_errors("creating a volume"):
        raise answer(500, "mkdir: no space left on device")
    assert "make room for the engine's store" in caught.value.hint
