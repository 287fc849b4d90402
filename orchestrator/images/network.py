"""Retries for the steps that need the network: Debian's mirror and PyPI."""

from __future__ import annotations

__lazy_modules__ = ("tenacity",)

import threading
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import tenacity

from orchestrator.errors import ToolError, TransientError

ATTEMPTS: Final = 3

P = ParamSpec("P")
T = TypeVar("T")


def persistently(step: Callable[P, T], stop: threading.Event) -> Callable[P, T]:
    """The step, tried up to three times while it raises TransientError and the run is not stopped."""

    def attempt(*args: P.args, **kwargs: P.kwargs) -> T:
        if stop.is_set():
            raise ToolError("stopped", hint="start again")
        return step(*args, **kwargs)

    def persistent(*args: P.args, **kwargs: P.kwargs) -> T:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_when_event_set(stop),
            wait=tenacity.wait_random_exponential(multiplier=1, max=15),
            sleep=tenacity.sleep_using_event(stop),
            reraise=True,
        )
        return retrying(attempt, *args, **kwargs)

    return persistent
