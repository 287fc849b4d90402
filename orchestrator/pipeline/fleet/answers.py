"""Handles the answers of hosts: their abilities, images, cells, and pieces of large files."""

from dataclasses import dataclass

from orchestrator import __version__
from orchestrator.errors import BuildError, CrashmatrixError, EngineError, FailedBuild, HostError
from orchestrator.model import PlannedCell
from orchestrator.pipeline.fleet import content
from orchestrator.pipeline.fleet.dispatch import Lease, Prepare
from orchestrator.pipeline.fleet.hosts import Hosts
from orchestrator.pipeline.fleet.link import Arrived, Fetch, Member, State, Work
from orchestrator.pipeline.fleet.messages import (
    Failed,
    Failure,
    File,
    Looked,
    Made,
    Opened,
    Piece,
    Ran,
    Read,
    contents,
    pack,
    unpack_answer,
)  # fmt: skip
from orchestrator.pipeline.slots import AHEAD
from orchestrator.rundir import layout


@dataclass(kw_only=True)
class Answers(Hosts):
    """Takes the answers of a run's hosts."""

    def _arrived(self, arrived: Arrived) -> None:
        host, work = self._orders.pop(arrived.order, ("", None))
        member = self._members.get(host)
        if member is None or member.state is State.REFUSED:
            return
        try:
            if arrived.frame is None:
                raise _HostFailedError(arrived.error, hint="see the log of its worker")
            answer, rest = unpack_answer(arrived.frame)
            if isinstance(answer, Failed):
                raise _HostFailedError(answer.what, hint="see the log of its worker")
            self._take(member, work, answer, rest)
        except CrashmatrixError as error:
            self._failed(member, work, error)
        self._pump(host)

    def _take(self, member: Member, work: Work, answer: object, rest: bytes) -> None:
        if isinstance(answer, Looked) and work is None:
            self._take_look(member, answer)
        elif isinstance(answer, Opened) and work is None:
            self._take_opening(member, answer)
        elif isinstance(answer, Made) and isinstance(work, Prepare):
            self._take_image(member, work, answer, rest)
        elif isinstance(answer, Ran) and isinstance(work, Lease):
            self._take_cells(member, work, answer, rest)
        elif isinstance(answer, Piece) and isinstance(work, Fetch):
            self._take_piece(member, work, answer, rest)
        else:
            raise _unasked()

    def _failed(self, member: Member, work: Work, error: CrashmatrixError) -> None:
        """Handle an order that failed at a host; its cells run elsewhere, or again."""
        self._say_once(f"{member.name}: {error.what}")
        if work is None:
            self._refuse(member, error.what)
        elif isinstance(work, Prepare):
            self._give_up(self.dispatcher.not_prepared(member.address, work.image), error)
        else:
            self._release(work.lease if isinstance(work, Fetch) else work, error)
        if isinstance(error, _HostFailedError):
            self._strike(member, error.what)
        else:
            self._distrust(member, error.what)
        self._pump_all()

    def _take_look(self, member: Member, looked: Looked) -> None:
        if member.looked is not None:
            raise _unasked()
        if looked.version != __version__:
            self._refuse(member, f"it has crashmatrix {looked.version}, this is {__version__}")
        elif looked.lacks:
            self._refuse(member, "; ".join(looked.lacks))
        elif looked.arch != self.plan.arch:
            why = f"it is a {looked.arch} host, and images are planned for {self.plan.arch} hosts"
            self._refuse(member, f"{why}: run its cells from such a host, and merge the two runs")
        else:
            member.looked = looked
            opening = self.plan.opening.model_copy(update={"slots": member.slots})
            self._ask(member.address, pack(opening), None)

    def _take_opening(self, member: Member, opened: Opened) -> None:
        if member.looked is None:
            raise _unasked()
        if self.stopped is not None:
            return
        for text in opened.said:
            self.progress.say(f"{member.name}: {text}")
        member.state, member.strikes = State.TAKING, 0
        slots = min(opened.slots, member.slots)
        # Each host is sent the recipe before its first cell, so no image counts as ready here.
        self.dispatcher.add_host(member.address, member.looked.arches, AHEAD * slots)
        self.progress.say(f"{member.name} takes cells, {slots} at a time.")

    def _take_image(self, member: Member, work: Prepare, made: Made, rest: bytes) -> None:
        if made.needs:
            here = content.carried(content.chain(self.plan.specs, work.image))
            if not set(made.needs) <= set(here):
                raise HostError("it asks for files that no recipe names", hint="leave it out")
            if (member.address, work.image) in self._sent:
                raise HostError("it asks again for files that it was sent", hint="leave it out")
            self._sent.add((member.address, work.image))
            self._ask(member.address, self._make(work.image, made.needs), work)
            return
        role = self.plan.specs[work.image].role
        folders = {
            spec.key: f"{layout.IMAGES}/{spec.folder}/" for spec in content.chain(self.plan.specs, work.image)
        }
        self._sent.discard((member.address, work.image))
        self.taking.logs(contents(made.files, rest), folders)
        for text in made.said:
            self._say_once(f"{member.name}: {text}")
        for built in made.built:
            self.progress.say(f"{member.name} built {built}.")
        if made.image is not None:
            self._images[member.address, work.image] = made.image
            self.dispatcher.prepared(member.address, work.image)
            return
        failure = made.failure or Failure(recipe=False, what=f"no image {role}", hint="see its log")
        error = _build_error(failure)
        self._say_once(f"{member.name}: {error.what}")
        self._give_up(self.dispatcher.not_prepared(member.address, work.image), error)
        if not failure.recipe:
            self._strike(member, error.what)
        self._pump_all()

    def _take_cells(self, member: Member, lease: Lease, ran: Ran, rest: bytes) -> None:
        sent = {file.name: data for file, data in contents(ran.files, rest)}
        fetch = Fetch(lease=lease, ran=ran, results={}, left=[])
        known = set(sent) | {file.name for file in (*ran.left, *ran.cores)}
        for number in lease.cells:
            planned = self.plan.cells[number]
            name = layout.result_file(planned.cell)
            if name not in known:
                continue  # it was not observed, or not started
            if self.dispatcher.ended(number):
                self._drop(member, planned)
                continue
            self._owners[number] = lease.number
            self.taking.clear(planned)
            for file in self.taking.files_of(planned, ran.files):
                if file.name != name:
                    self.taking.write(file.name, sent[file.name])
            fetch.results[number] = sent.get(name, b"")
            more = (*ran.left, *(ran.cores if self.cores else ()))
            fetch.left += [(file, 0) for file in self.taking.files_of(planned, more)]
        self._go_on(member, fetch)

    def _take_piece(self, member: Member, fetch: Fetch, piece: Piece, rest: bytes) -> None:
        pieces = contents(piece.files, rest)
        wanted, here = fetch.left[0]
        file, data = pieces[0] if len(pieces) == 1 else (None, b"")
        if file is None or file.name != wanted.name or here + len(data) > wanted.size or not data:
            raise HostError(f"{wanted.name} is not what it was", hint="the cell runs again")
        self._keep(fetch, wanted, data, here)
        here += len(data)
        fetch.left[0] = (wanted, here)
        if here == wanted.size:
            fetch.left.pop(0)
        self._go_on(member, fetch)

    def _keep(self, fetch: Fetch, file: File, data: bytes, here: int) -> None:
        """Keep a piece of a file, unless the cell's files come from another host meanwhile."""
        number = next(number for number in fetch.results if _is_of(file, self.plan.cells[number]))
        if self._owners.get(number) != fetch.lease.number:
            return
        if file.name == layout.result_file(self.plan.cells[number].cell):
            fetch.results[number] += data
        else:
            self.taking.write(file.name, data, here)

    def _go_on(self, member: Member, fetch: Fetch) -> None:
        """Ask for the next piece; once all are here, the results count."""
        while fetch.left and not fetch.left[0][0].size:
            self._keep(fetch, fetch.left.pop(0)[0], b"", 0)
        if fetch.left:
            file, here = fetch.left[0]
            self._ask(member.address, pack(Read(token=self.plan.token, name=file.name, offset=here)), fetch)
            return
        for number, result in fetch.results.items():
            planned = self.plan.cells[number]
            if self.dispatcher.ended(number) or self._owners.get(number) != fetch.lease.number:
                self._drop(member, planned)
                continue
            self._record(number, self.taking.finish(planned, result, fetch.ran))
            member.strikes = 0
        if fetch.ran.failed:
            raise _HostFailedError(fetch.ran.failed, hint="see the log of its worker")
        self._release(fetch.lease, EngineError("its host did not say how it ended", hint="run it again"))


class _HostFailedError(HostError):
    """A host says that it failed, which may pass. Any other error is about an answer that cannot be right."""


def _unasked() -> HostError:
    return HostError("it answered something else than what was asked", hint="install one version everywhere")


def _is_of(file: File, planned: PlannedCell) -> bool:
    return file.name.startswith(f"{layout.cell_folder(planned.cell)}/")


def _build_error(failure: Failure) -> CrashmatrixError:
    if not failure.recipe:
        return HostError(failure.what, hint=failure.hint)
    failed = FailedBuild(
        role=failure.role or "image",
        folder=failure.folder,
        step=failure.step,
        lines=failure.lines or (failure.what,),
    )
    return BuildError(failure.what, hint=failure.hint, failed=failed)
