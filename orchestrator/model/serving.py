"""How a server runs a scenario's application: processes, requests, and what ends them."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from orchestrator.model.base import Integer, Value

MOST_REQUESTS: Final = 100_000
"""Of one entry; more would outlast any time limit."""


MOST_TEXT: Final = 100_000
"""Characters of a plan: it is one argument of a command line, which Linux limits to 131,072 bytes."""
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=100)]
HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=4000)]

WorkerClass = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$", max_length=200)]


class ServerEnd(StrEnum):
    """How workers end once the requests are answered; after each of these the server is asked to stop."""

    SIGTERM = "SIGTERM"
    SIGINT = "SIGINT"
    RELOAD = "reload"
    """SIGHUP: each worker is replaced by a new one."""
    MAX_REQUESTS = "max-requests"
    """The requests are repeated until a worker has served as many as it may."""
    HARAKIRI = "harakiri"
    """The server kills a worker whose request takes too long."""


class HttpRequest(Value):
    """A request that the supervisor makes `count` times, up to `concurrency` of them at once."""

    method: Annotated[str, Field(pattern=r"^[A-Z]+$", max_length=20)] = "GET"
    path: Annotated[str, Field(pattern=r"^/[\x21-\x7e]*$", max_length=2000)] = "/"
    body: Annotated[str, Field(max_length=MOST_TEXT)] = ""
    headers: dict[HeaderName, HeaderValue] = {}
    count: Annotated[int, Field(ge=1, le=MOST_REQUESTS)] = 1
    concurrency: Annotated[int, Field(ge=1, le=64)] = 1
    expect_status: Annotated[int, Field(ge=100, le=599)] | None = None
    """The only right status of the answer; None: each below 400 is right."""


class Serving(Value):
    """How a server runs an application. What is None is left to the server."""

    processes: Integer | None = None
    threads: Integer | None = None
    worker_class: WorkerClass | None = None
    """How a worker of gunicorn handles its requests: sync, gthread, gevent or another class."""
    ini: str | None = None
    """A configuration file of the scenario's, of uWSGI."""
    requests: tuple[HttpRequest, ...] = (HttpRequest.model_construct(),)
    end: ServerEnd = ServerEnd.SIGTERM

    @property
    def plan(self) -> str:
        """What the supervisor reads of it (orchestrator.supervisor.load): JSON of one line."""
        return self.model_dump_json(include={"requests", "end"})
