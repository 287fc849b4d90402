"""The requests that a server gets: what the host wrote, as values."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

LONGEST = 200
"""Characters that are kept of what an answer says, for notes."""


class Request(NamedTuple):
    """One kind of request: made `times` times, at most `concurrency` of them at once."""

    method: str
    path: str
    body: str
    headers: dict[str, str]
    times: int
    concurrency: int
    expect_status: int | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"[:LONGEST]


class Plan(NamedTuple):
    """The requests that a server gets, in this order, and what ends its workers then."""

    requests: list[Request]
    end: str


def read_plan(text: str) -> Plan:
    """Read what the host wrote: model.Serving as JSON; empty: one GET. Raises ValueError for all else."""
    if not text:
        return Plan([Request("GET", "/", "", {}, 1, 1, None)], "SIGTERM")
    read = json.loads(text)
    try:
        return Plan([_request(entry) for entry in read["requests"]], str(read["end"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a plan of requests: {error!r}") from error


def _request(entry: dict[str, Any]) -> Request:
    return Request(
        entry["method"], entry["path"], entry["body"], entry["headers"],
        entry["count"], entry["concurrency"], entry["expect_status"],
    )  # fmt: skip
