"""The way to other hosts: dask.distributed, whose scheduler knows which workers are there.

The only module that imports it, and the extra `fleet` that brings it need not be installed. What is sent is
bytes in both directions, and each order is for one worker: which one is decided by the caller, so that dask
neither moves nor repeats it. dask itself pickles the call, so that whoever reaches the scheduler can run code
on each worker (docs/security.md).
"""

from __future__ import annotations

__lazy_modules__ = ("dask", "distributed")

import asyncio
import contextlib
import itertools
import logging
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Self

import dask
import distributed

from orchestrator.errors import HostError, InputError

HINT: Final = "install the extra: `pip install 'crashmatrix[fleet]'`"
FETCHERS: Final = 16
"""Answers that are fetched at a time; one that waits for a host that was cut off holds one of them."""
SPARE: Final = 4
"""Threads of a worker besides those that run cells: they make images and read files."""
Serve = Callable[[bytes], bytes]
Told = Callable[[str, str], None]


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A worker that the scheduler knows; `heard` changes with each sign of life."""

    name: str
    resources: Mapping[str, float]
    heard: float


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The answer to an order, or why there is none."""

    order: int
    frame: bytes | None
    error: str = ""


class Cluster:
    """The workers of a scheduler. `serve` and `told` are functions of a module that workers can import."""

    def __init__(self, client: distributed.Client, serve: Serve, told: Told) -> None:
        """Use a connection; `connect` makes one."""
        self._client: Final = client
        self._serve: Final = serve
        self._told: Final = told
        self._futures: Final[dict[int, distributed.Future[bytes]]] = {}
        self._numbers: Final = itertools.count(1)
        self._replies: Final[queue.SimpleQueue[Reply]] = queue.SimpleQueue()
        self._pool: Final = ThreadPoolExecutor(FETCHERS, "answers")
        self._workers: dict[str, Worker] = {}

    @classmethod
    def connect(cls, address: str, patience: float, serve: Serve, told: Told) -> Self:
        """Connect to a scheduler; raises HostError where none answers, InputError for no address."""
        _require()
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters of it is said by the run
        try:
            client = distributed.Client(address, timeout=patience, set_as_default=False, name="crashmatrix")
        except (OSError, TimeoutError) as error:
            hint = "start one with `dask scheduler`, and check the address and its TLS settings"
            raise HostError(f"no scheduler answers at {address}: {error}", hint=hint) from error
        except ValueError as error:
            hint = "write HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT"
            raise InputError(f"--scheduler: {address!r} is no address: {error}", hint=hint) from error
        try:
            client.run_on_scheduler(_is_here)
        except Exception as error:
            client.close(timeout=5)
            # dask unpacks orders at its scheduler, where the function is looked for by its module's name.
            raise HostError(
                f"the scheduler at {address} cannot import crashmatrix: {_first_line(error)}",
                hint="install crashmatrix[fleet] in its environment too, in the version of its workers",
            ) from error
        return cls(client, serve, told)

    def workers(self) -> dict[str, Worker]:
        """The workers that are there, by address; as they were, while the scheduler does not answer.

        A worker that nothing is heard of is then silent, and not gone.
        """
        try:
            # Not `scheduler_info`, which the client itself sets to one without workers each 2 s (2026.8.0).
            found = self._client.sync(self._client.scheduler.identity, n_workers=-1)["workers"]
        except (OSError, TimeoutError, RuntimeError):
            return self._workers
        self._workers = {
            str(address): Worker(
                name=str(item["name"]),
                resources={str(name): float(amount) for name, amount in item["resources"].items()},
                heard=float(item["last_seen"]),
            )
            for address, item in found.items()
        }
        return self._workers

    def ask(self, worker: str, frame: bytes, resources: Mapping[str, float]) -> int:
        """Send an order to a worker, which takes so much of its resources; returns the order's number."""
        number = next(self._numbers)
        future = self._client.submit(
            self._serve, frame, workers=[worker], resources=dict(resources) or None, pure=False,
            key=f"crashmatrix-{id(self)}-{number}", retries=0,
        )  # fmt: skip
        self._futures[number] = future
        future.add_done_callback(lambda done: self._pool.submit(self._fetch, number, done))
        return number

    def forget(self, order: int) -> None:
        """Stop waiting for an answer."""
        future = self._futures.pop(order, None)
        if future is not None:
            future.cancel()

    def tell(self, worker: str, token: str, what: str) -> None:
        """Call `told` at a worker, at once; a worker that is cut off is not waited for."""

        def call() -> None:
            with contextlib.suppress(
                Exception
            ):  # it is lost, or the connection is closed: nothing is left to tell
                self._client.run(self._told, token, what, workers=[worker], on_error="ignore")

        threading.Thread(target=call, daemon=True).start()

    def reply(self, timeout: float) -> Reply | None:
        """The next answer; None where none came in time."""
        try:
            return self._replies.get(timeout=timeout)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Disconnect; what runs for this client at workers ends by itself."""
        for order in list(self._futures):
            self.forget(order)
        self._client.close(timeout=5)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, number: int, future: distributed.Future[bytes]) -> None:
        try:
            frame = future.result()
        except (CancelledError, asyncio.CancelledError):
            return  # it was forgotten
        except Exception as error:  # noqa: BLE001 - whatever the worker raised, or the connection
            self._replies.put(Reply(order=number, frame=None, error=f"{type(error).__name__}: {error}"))
        else:
            self._replies.put(Reply(order=number, frame=frame))
        self._futures.pop(number, None)


def _is_here() -> None:
    """Nothing: whoever can be told to call this has this module."""


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def work(
    address: str, *, name: str, threads: int, resources: Mapping[str, float], folder: str, patience: float,
    connected: Callable[[], None],
) -> None:  # fmt: skip
    """Be a worker of a scheduler, until that ends or this process is told to; raises HostError.

    `connected` is called once the scheduler knows this worker.
    """
    _require()
    logging.getLogger("distributed").setLevel(
        logging.WARNING
    )  # addresses and plugins are of no use to people

    async def serve() -> None:
        async with distributed.Worker(
            address, name=name, nthreads=threads + SPARE, resources=dict(resources), memory_limit=0,
            local_directory=folder, death_timeout=patience, dashboard=False,
        ) as worker:  # fmt: skip
            connected()
            await worker.finished()

    try:
        asyncio.run(serve())
    except (OSError, TimeoutError) as error:
        raise HostError(
            f"no scheduler answers at {address}: {error}", hint="start one with `dask scheduler`"
        ) from error
    except ValueError as error:
        raise InputError(f"{address!r} is no address: {error}", hint="write tcp://HOST:PORT") from error


@contextlib.asynccontextmanager
async def local(resource: str, amount: float) -> AsyncGenerator[str]:
    """A scheduler and a worker in this process, for measurements; yields the scheduler's address."""
    async with (
        distributed.Scheduler(host="127.0.0.1", port=0, dashboard_address=None) as scheduler,
        distributed.Worker(scheduler.address, nthreads=2, resources={resource: amount}, memory_limit=0),
    ):
        yield scheduler.address


def _require() -> None:
    """Raise HostError where the extra is not installed."""
    try:
        dask.config.set({"distributed.admin.low-level-log-length": 0})
        _ = distributed.Client
    except ImportError as error:
        raise HostError("dask.distributed is not installed", hint=HINT) from error
