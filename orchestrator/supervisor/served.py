"""The trial of a server: its requests, the end of its workers, and the judged process.

The judged process is the first worker with an unexpected end, else the last one that ended, else the server's
own first process. The others are reported beside it.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.supervisor import cleanup, dumps
from orchestrator.supervisor.exits import describe, other
from orchestrator.supervisor.serving import HARAKIRI, CrashLoopError
from orchestrator.supervisor.tested import kill
from orchestrator.supervisor.wakeup import InterruptedRunError, TimedOutError

if TYPE_CHECKING:
    from orchestrator.supervisor.plan import Plan
    from orchestrator.supervisor.serving import Server
    from orchestrator.supervisor.tested import TestedProcess

SERVER, WORKER = "server", "worker"
"""The roles of a server's processes."""
MOST_OTHERS = 50
"""The most further processes in the report."""
MOST_ANSWERS = 50


class Served(NamedTuple):
    """The result of a server's trial. `odd`: unexpected answers."""

    judged: TestedProcess
    others: list[TestedProcess]
    hung: bool
    interrupted: bool
    notes: list[str]
    odd: list[str]
    doing: dict[int, str]
    """By pid, the requests during which workers ended as none should."""


def serve(server: Server, plan: Plan, deadline: float, grace: float) -> Served:
    """Run a server's trial; `grace` is the time in seconds that one that hangs gets to die of SIGABRT."""
    hung: TestedProcess | None = None
    interrupted = False
    server.harakiri = plan.end == HARAKIRI
    try:
        _drive(server, plan, deadline)
    except TimedOutError:
        server.notes += server.master.waited()
        hung = None if server.crashed() else server.dump(grace)
    except InterruptedRunError:
        interrupted = True
    kill(server.master)
    server.look()
    server.notes += dumps.await_dumps()
    server.check()
    cleanup.end_stragglers()
    server.close()
    judged, others = (hung, [*server.ended]) if hung else server.judged()
    others = [process for process in others if process is not judged]
    if server.harakiri:
        # The request of a worker that was cut off has no answer.
        server.notes += server.odd
        server.odd = []
    return Served(judged, others, hung is not None, interrupted, server.notes, server.odd, server.doing)


def _drive(server: Server, plan: Plan, deadline: float) -> None:
    number = signal.SIGINT if plan.end == signal.SIGINT.name else signal.SIGTERM
    try:
        if server.opens(deadline):
            for request in plan.requests:
                server.ask(request, deadline)
            server.end_workers(plan, deadline)
            server.settle(deadline)
        server.stop(number, deadline)
    except CrashLoopError:
        server.stop(number, deadline)


def describe_server(
    served: Served, started: TestedProcess, began: float, notes: list[str]
) -> dict[str, object]:
    """The exit of a server's trial: the judged process, and the others."""
    told = [*notes, *served.notes]
    exit_ = describe(served.judged, started.started - began, served.hung, served.interrupted, told)
    others = [
        other(process, SERVER if process is started else WORKER, served.doing.get(process.pid))
        for process in served.others[-MOST_OTHERS:]
    ]
    return {
        **exit_,
        "doing": served.doing.get(served.judged.pid),
        "others": others,
        "answers": served.odd[:MOST_ANSWERS],
    }
