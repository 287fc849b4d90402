"""A host of a fleet: it reports what it can do, makes images, runs cells, and reads their cores.

One process answers the orders of all runs that use it. It needs no copy of the project: what it gets are
values, and files by their digests. Results and evidence are written to a run's folder of its own, in the
cache; the answer to an order has them, but for cores.
"""

import os
import platform
import socket
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from orchestrator import __version__, execute, host
from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.engine import Engine
from orchestrator.adapters.files import remove_tree
from orchestrator.errors import CrashmatrixError, HostError
from orchestrator.images.exchange import Exchange
from orchestrator.model import (
    LABEL_RUN,
    Arch,
    Scenario,
)  # fmt: skip
from orchestrator.pipeline.fleet import content
from orchestrator.pipeline.fleet.host_run import HostRun, Told, files_below
from orchestrator.pipeline.fleet.messages import (
    CHUNK,
    Failed,
    File,
    Look,
    Looked,
    Made,
    Make,
    Open,
    Opened,
    Order,
    Piece,
    Ran,
    Run,
    contents,
    pack,
    unpack_order,
)  # fmt: skip
from orchestrator.pipeline.jobs import jobs_for
from orchestrator.pipeline.slots import Slots
from orchestrator.rundir import layout

RUNS: Final = "fleet-runs"
KEPT_RUNS: Final = 10
"""Runs whose cores stay on a host; those of older ones are removed when another run begins."""
STOP: Final = "stop"
KILL: Final = "kill"


_runs: Final[dict[str, HostRun]] = {}
_lock: Final = threading.Lock()


def answer(frame: bytes) -> bytes:
    """Answer an order; what fails is an answer too. Called in several threads."""
    try:
        order, rest = unpack_order(frame)
        message, data = _answer(order, rest)
        return pack(message, data)
    except CrashmatrixError as error:
        return pack(Failed(what=str(error)))
    except OSError as error:
        return pack(Failed(what=f"{socket.gethostname()}: {error}"))


def told(token: str, what: str) -> None:
    """Stop a run at this host, or end its cells too; called outside of the order of work."""
    run = _runs.get(token)
    if run is None:
        return
    run.slots.stop.set()
    if what == KILL:
        threading.Thread(target=run.engine.reap, args=(LABEL_RUN, token), daemon=True).start()


def close() -> None:
    """Remove the containers of this process."""
    for run in _runs.values():
        run.slots.stop.set()
    if _runs:
        execute.remove_own(_engine())


def _answer(order: Order, rest: bytes) -> tuple[Looked | Opened | Made | Ran | Piece, list[bytes]]:
    if isinstance(order, Look):
        return look(), []
    if isinstance(order, Open):
        return _open(order), []
    run = _runs.get(order.token)
    if run is None:
        raise HostError(
            "this host has been started again and knows nothing of the run", hint="it is asked again"
        )
    if isinstance(order, Make):
        for file, data in contents(order.content, rest):
            content.keep(data, file.name)
        made = run.make(order)
        logs = list(_logs(run, order)) if made.built or made.failure else []
        return made.model_copy(update={"files": tuple(file for file, _ in logs)}), [data for _, data in logs]
    return run.run(order) if isinstance(order, Run) else run.read(order)


@cache
def _engine() -> Engine:
    return Engine.connect()


def look() -> Looked:
    """What this host can do: the doctor's findings that matter to a run."""
    found = _doctor()
    native = Arch.from_machine(platform.machine())
    lacks = [f"{item.name}: {item.found}; {item.hint}" for item in found if item.blocks]
    arches = [native] if not lacks else []
    if native is not Arch.ARM64 and any(item.name == "arm64 cells" and item.state == "ok" for item in found):
        arches.append(Arch.ARM64)
    engine = next((item.found for item in found if item.name == "engine"), "")
    return Looked(
        version=__version__, arch=native, arches=tuple(arches) if not lacks else (), engine=engine,
        lacks=tuple(lacks),
    )  # fmt: skip


@cache
def _doctor() -> tuple[host.Capability, ...]:
    """What the doctor finds by looking. An engine that answers and starts nothing shows by failures."""
    return host.doctor(quick=True)


def _open(order: Open) -> Opened:
    with _lock:
        engine, said = _engine(), Told()
        if order.token not in _runs:
            removed = execute.remove_leftovers(engine)
            if removed:
                said.say(f"removed {removed} containers and volumes that a killed process had left")
            folder = _new_folder(order.token)
            slots = jobs_for(order.slots, order.memory, engine.info().memory, said.say)
            exchange = Exchange(engine=engine, place=order.registry, say=said.say) if order.registry else None
            _runs[order.token] = HostRun(
                token=order.token,
                engine=engine,
                folder=folder,
                scenarios={item.name: _away(item) for item in order.scenarios},
                count=slots,
                slots=Slots(slots, threading.Event()),
                exchange=exchange if exchange and exchange.answers() else None,
                registry=order.registry,
                arch=Arch.from_machine(engine.info().arch),
            )
        run = _runs[order.token]
    return Opened(slots=run.count, said=tuple(said.said))


def _new_folder(token: str) -> Path:
    """The run's folder; those of all but a few earlier runs are removed."""
    place = cache_folder(RUNS)
    earlier = sorted(
        (item for item in place.iterdir() if item.is_dir()), key=lambda item: item.stat().st_mtime
    )
    for folder in earlier[: max(0, len(earlier) - KEPT_RUNS + 1)]:
        remove_tree(folder, "evidence of an earlier run")
    folder = place / token[:16]
    (folder / layout.IMAGES).mkdir(parents=True, exist_ok=True)
    return folder


def _away(scenario: Scenario) -> Scenario:
    """A scenario without the places of its files, which are another machine's."""
    code = scenario.code and scenario.code.model_copy(update={"files": (), "source": None})
    return scenario.model_copy(update={"folder": os.devnull, "code": code})


def _logs(run: HostRun, order: Make) -> Iterator[tuple[File, bytes]]:
    """The logs of builds and the lists of packages that this order made."""
    for spec in order.specs:
        for name in files_below(run.folder, f"{layout.IMAGES}/{spec.folder}"):
            data = (run.folder / name).read_bytes()[-CHUNK:]
            yield File(name=name, size=len(data)), data
