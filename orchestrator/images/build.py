"""Images built in the order of their dependencies, several at once, each at most once on a host.

An image that the engine already has is never built again. A failed image fails only those that need it.
"""

from __future__ import annotations

__lazy_modules__ = ("orchestrator.images",)

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from orchestrator.adapters.engine import Engine
from orchestrator.errors import BuildError, CrashmatrixError, EngineError, EngineGoneError
from orchestrator.images import exchange as exchanges
from orchestrator.images import make
from orchestrator.images.locks import building, image_lock
from orchestrator.images.rendered import keep_seconds
from orchestrator.model import ImageSpec

INHERITED: Final = "needs one that failed: "
POLL: Final = 0.2
"""Seconds between checks of `stop`."""
ATTEMPTS: Final = 3
"""Attempts at an image whose engine goes away each time."""

Result = str | CrashmatrixError
"""An image's id, or why there is none."""


class Progress(Protocol):
    """Receives the progress of builds; called from worker threads."""

    def image_started(self, role: str) -> None:
        """A missing image is being built."""

    def image_ended(self, role: str, seconds: float, error: str | None) -> None:
        """An image was built, or could not be."""

    def say(self, text: str) -> None:
        """Anything else that deserves a line."""


def build_all(
    engine: Engine,
    specs: Iterable[ImageSpec],
    *,
    jobs: int,
    logs: Path,
    stop: threading.Event,
    on_ready: Callable[[str, Result], None],
    progress: Progress,
    registry: str | None = None,
) -> dict[str, Result]:
    """Build the images that no other of `specs` is built on, with whatever they need and the engine lacks.

    What a `registry` (HOST/REPO) has is pulled instead, and what is built is pushed there.

    Returns the results by key, and passes each to `on_ready` in the caller's thread as soon as it is
    known. Once `stop` is set, or on Ctrl-C, running builds are cancelled and not reported. Logs go
    to `logs`, in each image's own folder. Raises EngineError if the engine cannot list its images.
    """
    by_key = {spec.key: spec for spec in specs}
    exchange = exchanges.Exchange(engine=engine, place=registry, say=progress.say) if registry else None
    work = _Work(
        engine=engine,
        logs=logs,
        specs=by_key,
        on_ready=on_ready,
        progress=progress,
        stop=stop,
        exchange=exchange,
    )
    work.take_present()
    if not work.lacking():
        return work.results
    work.take_exchanged(jobs)
    slow = [spec for spec in work.lacking() if spec.minutes]
    if slow:
        named = (f"{spec.role} (about {spec.minutes} min on 2 cores)" for spec in slow)
        progress.say(f"must be built first: {', '.join(named)}")
    with building(stop, lambda: _prune(engine, progress)) as held:
        if held:
            work.build(jobs)
    if exchange:
        exchange.tell()
    return work.results


def _prune(engine: Engine, progress: Progress) -> None:
    """Remove what builds left, which no image misses: an engine that goes away then ends no run."""
    try:
        engine.prune_stages()
    except EngineError as error:
        progress.say(f"What builds left is removed by the next run that builds: {error.what}.")


@dataclass(frozen=True, kw_only=True)
class _Work:
    """The images of one call. Only the caller's thread changes `results`.

    `stop` is the caller's; `useless` is set as well where what still runs is of no use any more.
    """

    engine: Engine
    logs: Path
    specs: Mapping[str, ImageSpec]
    on_ready: Callable[[str, Result], None]
    progress: Progress
    stop: threading.Event
    exchange: exchanges.Exchange | None
    useless: threading.Event = field(default_factory=threading.Event)
    results: dict[str, Result] = field(default_factory=dict)

    def take_present(self) -> None:
        """Record what the engine has."""
        # What is built on others comes first: its cells need not wait for the rest.
        last_first = reversed([*self.specs.values()])
        tags = {spec.key: spec.tag for spec in last_first if spec.key not in self.results}
        for key, image in self.engine.present(tags):
            self._record(key, image)

    def take_exchanged(self, jobs: int) -> None:
        """Pull what the registry has: the wanted images, and of each that it lacks what that is built on."""
        exchange = self.exchange
        if exchange is None or not exchange.answers():
            return
        used = {parent for spec in self.specs.values() for parent in spec.parents}
        asked = {key for key in self.specs if key not in used and key not in self.results}
        next_ones = sorted(asked)
        with ThreadPoolExecutor(jobs, "registry") as pool:
            while next_ones and not self.stop.is_set():
                found = pool.map(exchange.take, (self.specs[key] for key in next_ones))
                parents: set[str] = set()
                for key, image in zip(next_ones, found, strict=True):
                    if image is None:
                        parents.update(self.specs[key].parents)
                    else:
                        self._record(key, image)
                next_ones = sorted(parents - asked - self.results.keys())
                asked.update(next_ones)

    def lacking(self) -> list[ImageSpec]:
        """The images to build, those first that most others wait for.

        An image that only present images were built on is not needed: it may have been removed since.
        """
        used = {parent for spec in self.specs.values() for parent in spec.parents}
        stack = [key for key in self.specs if key not in used]
        below: dict[str, set[str]] = {}
        while stack:
            key = stack.pop()
            if key not in self.results and key not in below:
                below[key] = self._ancestors(key)
                stack.extend(self.specs[key].parents)
        needed_by = {key: sum(key in ancestors for ancestors in below.values()) for key in below}
        return sorted((self.specs[key] for key in below), key=lambda spec: -needed_by[spec.key])

    def build(self, jobs: int) -> None:
        """Build the missing images, at most `jobs` at a time, until done or stopped."""
        waiting = self.lacking()
        running: dict[Future[Result], str] = {}
        with ThreadPoolExecutor(jobs, "image") as pool:
            try:
                while not self.stop.is_set():
                    waiting = self._without_hopeless(waiting)
                    needed = self._needed()
                    waiting = [spec for spec in waiting if spec.key in needed]
                    if not waiting and needed.isdisjoint(running.values()):
                        break  # what still runs is cancelled
                    ready = [spec for spec in waiting if self.results.keys() >= set(spec.parents)]
                    for spec in ready[: jobs - len(running)]:
                        waiting.remove(spec)
                        running[pool.submit(self._make, spec)] = spec.key
                    done, _ = wait(running, timeout=POLL, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._record(running.pop(future), future.result())
            except BaseException:
                self.stop.set()
                raise
            finally:
                self.useless.set()
                self._cancel(running)

    def _make(self, spec: ImageSpec) -> Result:
        def waiting() -> None:
            self.progress.say(f"{spec.role}: another run is building it.")

        try:
            with image_lock(spec.key, self.useless, waiting) as held:
                # The other run, or one that ended since the images were listed, may have built it.
                if not held:
                    return BuildError(
                        f"image {spec.role} was not built: the run was stopped", hint="run again"
                    )
                return self.engine.built(spec.tag, spec.key) or self._make_now(spec)
        except CrashmatrixError as error:
            return error

    def _make_now(self, spec: ImageSpec) -> Result:
        began = time.monotonic()
        self.progress.image_started(spec.role)
        result = self._made(spec)
        said = str(result) if isinstance(result, CrashmatrixError) else None
        if said and isinstance(result, BuildError) and result.failed:
            more = [line for line in result.failed.lines if line.strip() not in said]
            said = "\n  ".join([said, *more])
        seconds = time.monotonic() - began
        if not self.useless.is_set():
            self.progress.image_ended(spec.role, seconds, said)
        if said is None:
            with suppress(CrashmatrixError):  # of use for later nights only
                keep_seconds(spec, self.logs, seconds)
        if self.exchange and isinstance(result, str):
            self.exchange.give(spec)
        return result

    def _made(self, spec: ImageSpec) -> Result:
        """Make an image, again where the engine went away meanwhile and came back."""
        engine, stop = self.engine, self.useless
        for _ in range(ATTEMPTS):
            try:
                return make.Maker(engine=engine, logs=self.logs, stop=stop).make(spec)
            except EngineError as error:
                result: Result = error
                away = isinstance(error, EngineGoneError) or not engine.answers()
                if stop.is_set() or not away or not engine.returns(stop, self.progress.say):
                    break
            except CrashmatrixError as error:
                return error
        return result

    def _record(self, key: str, result: Result) -> None:
        self.results[key] = result
        self.on_ready(key, result)

    def _without_hopeless(self, waiting: list[ImageSpec]) -> list[ImageSpec]:
        """Fail the images that need a failed one, directly or not, with its cause."""
        hopeless = [spec for spec in waiting if self._failed_parents(spec)]
        for spec in hopeless:
            self._record(spec.key, _inherited(spec, self._failed_parents(spec)[0]))
        left = [spec for spec in waiting if spec not in hopeless]
        return self._without_hopeless(left) if hopeless else left

    def _needed(self) -> set[str]:
        """The images without a result that one of the wanted images still waits for, and those themselves.

        Wanted are those that no other is built on. Where one failed, what only it needs is of no use.
        """
        used = {parent for spec in self.specs.values() for parent in spec.parents}
        stack = [key for key in self.specs if key not in used and key not in self.results]
        needed: set[str] = set()
        while stack:
            key = stack.pop()
            if key not in needed and key not in self.results:
                needed.add(key)
                stack.extend(self.specs[key].parents)
        return needed

    def _failed_parents(self, spec: ImageSpec) -> list[CrashmatrixError]:
        parents = [self.results.get(key) for key in spec.parents]
        return [error for error in parents if isinstance(error, CrashmatrixError)]

    def _ancestors(self, key: str) -> set[str]:
        parents = self.specs[key].parents
        return set(parents).union(*(self._ancestors(parent) for parent in parents))

    def _cancel(self, running: Iterable[Future[Result]]) -> None:
        """Cancel running builds; a worker may just be starting one, hence the loop."""
        left = set(running)
        while left:
            self.engine.stop_builds()
            _, left = wait(left, timeout=POLL)


def _inherited(spec: ImageSpec, cause: CrashmatrixError) -> CrashmatrixError:
    if not isinstance(cause, BuildError):
        return cause
    root = cause.what.rpartition(INHERITED)[2]
    return BuildError(f"image {spec.role} {INHERITED}{root}", hint=cause.hint, failed=cause.failed)
