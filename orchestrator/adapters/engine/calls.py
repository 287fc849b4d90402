"""Engine calls: which are retried, and the errors that the SDK's errors become."""

from __future__ import annotations

__lazy_modules__ = ("docker", "requests", "tenacity", "urllib3")

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar

import docker
import requests
import tenacity
import urllib3

from orchestrator.errors import EngineError, EngineGoneError
from orchestrator.invocation import command

ENGINE_HINT: Final = f"run `{command('setup')}`, or see `{command('doctor')}` for what is missing"
ATTEMPTS: Final = 3
FIRST_WAIT: Final = 0.2
"""Seconds before the second attempt."""
CONFLICT: Final = 409
HELD: Final = 30.0
"""Seconds that another process has to end its removal of what is in use."""
NO_ROOM: Final = "no space left on device"
"""How the engine reports that its disk is full."""

P = ParamSpec("P")
T = TypeVar("T")


_NO_PATHS: Final = (": not a directory", ": invalid argument", ": file name too long", ": too many levels of")
"""Endings of the engine's answer 500 for a path that no file of a container can have."""


def is_no_path(error: docker.errors.APIError) -> bool:
    """Whether the path does not exist in a container. Docker 20.10 answers it with status 500."""
    return error.is_server_error() and any(words in str(error.explanation) for words in _NO_PATHS)


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, docker.errors.APIError):
        return error.is_server_error() and not is_no_path(error) and NO_ROOM not in str(error.explanation)
    return isinstance(error, requests.exceptions.ConnectionError)


def retried(call: Callable[P, T]) -> Callable[P, T]:
    """The call, tried up to three times while the engine stumbles."""

    def persistent(*args: P.args, **kwargs: P.kwargs) -> T:
        # An engine rarely stumbles, and tenacity takes as long to import as 20 calls take.
        try:
            return call(*args, **kwargs)
        except Exception as error:
            if not _is_passing(error):
                raise
        time.sleep(FIRST_WAIT)
        again: Callable[P, T] = tenacity.retry(
            retry=tenacity.retry_if_exception(_is_passing),
            stop=tenacity.stop_after_attempt(ATTEMPTS - 1),
            wait=tenacity.wait_random_exponential(multiplier=0.4, max=3),
            reraise=True,
        )(call)
        return again(*args, **kwargs)

    return persistent


def once_free(call: Callable[P, T]) -> Callable[P, T]:
    """The call, `retried`; and again while what it removes is in use, or is being removed by another process.

    Two runs that start after one that was killed remove the same containers and volumes.
    """

    def patient(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return retried(call)(*args, **kwargs)
        except docker.errors.APIError as error:
            if not _is_held(error):
                raise
        again: Callable[P, T] = tenacity.retry(
            retry=tenacity.retry_if_exception(_is_held),
            stop=tenacity.stop_after_delay(HELD),
            wait=tenacity.wait_fixed(FIRST_WAIT),
            reraise=True,
        )(retried(call))
        return again(*args, **kwargs)

    return patient


def _is_held(error: BaseException) -> bool:
    return isinstance(error, docker.errors.APIError) and error.status_code == CONFLICT


@contextmanager
def engine_errors(doing: str) -> Generator[None]:
    """Turn the SDK's errors into EngineError; a broken connection into EngineGoneError."""
    try:
        yield
    # First: the SDK's errors are also of requests' base class.
    except docker.errors.DockerException as error:
        said = str(getattr(error, "explanation", None) or error).strip().splitlines()
        what = f"the container engine failed while {doing}: {said[-1] if said else error!r}"
        hint = f"see the engine's log; `{command('doctor')}` shows its state"
        if NO_ROOM in what:
            hint = f"make room for the engine's store; `{command('doctor')}` says where it is"
        raise EngineError(what, hint=hint) from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise EngineGoneError(
            f"the container engine went away while {doing} ({type(error).__name__})", hint=ENGINE_HINT
        ) from error
