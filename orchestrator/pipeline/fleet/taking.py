"""Checks the files that hosts send for cells, and writes them to the run's folder as they arrive.

A host is trusted about what it observed in a cell, and about nothing else. Names lead to files of that cell
alone, sizes have bounds, a result must be valid by its schema and be of the cell that was asked for, and what
it says of the plan (image, expectation, packages, commands to repeat it) is the plan's own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from orchestrator.adapters.files import remove_below, write_piece
from orchestrator.errors import HostError
from orchestrator.model import CellHost, CellResult, PlannedCell, Trial
from orchestrator.pipeline.fleet.messages import File, Ran
from orchestrator.pipeline.results import Results
from orchestrator.pipeline.sources import Sources
from orchestrator.rundir import layout
from orchestrator.rundir.documents import MAX_RESULT, parse_result

MOST_BYTES: Final = 32 << 30
"""Bytes of one cell's files: 20 kept trials with two streams of 256 MiB each, and wanted cores."""
DEEPEST: Final = 6
LONGEST: Final = 255


@dataclass(frozen=True, kw_only=True)
class Taking:
    """Writes what hosts send to the folder of one run."""

    results: Results

    def files_of(self, planned: PlannedCell, files: Iterable[File]) -> list[File]:
        """The files of a cell, their names and sizes checked; raises HostError."""
        start = f"{layout.cell_folder(planned.cell)}/"
        mine = [file for file in files if file.name.startswith(start)]
        if sum(file.size for file in mine) > MOST_BYTES:
            raise HostError(
                f"the files of {planned.cell.id} are larger than any trial's", hint="leave that host out"
            )
        for file in mine:
            _check_name(file.name, start)
            if file.name == layout.result_file(planned.cell) and file.size > MAX_RESULT:
                raise HostError(
                    f"the result of {planned.cell.id} is larger than {MAX_RESULT >> 20} MiB",
                    hint="leave that host out",
                )
        return mine

    def clear(self, planned: PlannedCell) -> None:
        """Remove the files of an unfinished attempt at a cell."""
        self.results.run_folder.clear_cell(planned.cell)

    def write(self, name: str, content: bytes, offset: int = 0) -> None:
        """Write a piece of a file whose name was checked."""
        write_piece(self.results.folder, name, content, offset)

    def finish(self, planned: PlannedCell, content: bytes, ran: Ran) -> CellResult:
        """Write the result of a cell whose other files are there; raises HostError where it is none."""
        found = parse_result(f"{ran.host}: {layout.RESULT}", content)
        if found.cell != planned.cell or len(found.trials) > planned.trials or found.unobserved:
            raise HostError(
                f"{ran.host} answered for another cell than {planned.cell.id}", hint="leave it out"
            )
        said = self.results.planned(planned)
        sources = Sources(scenario=self.results.scenarios[planned.cell.scenario])
        trials = tuple(self._trial(sources, trial) for trial in found.trials)
        host = CellHost(name=ran.host, folder=ran.folder)
        result = found.model_copy(update={**said, "trials": trials, "host": host})
        self.results.run_folder.write_result(result)
        return result

    def logs(self, files: Iterable[tuple[File, bytes]], folders: Mapping[str, str]) -> None:
        """Write logs of builds and lists of packages; `folders` are those of the wanted images."""
        for file, content in files:
            start = next((start for start in folders.values() if file.name.startswith(start)), None)
            if start is None:
                raise HostError(f"{file.name[:80]} is no file of a wanted image", hint="leave it out")
            _check_name(file.name, start)
            remove_below(self.results.folder, file.name, "an earlier log")
            self.write(file.name, content)

    def _trial(self, sources: Sources, trial: Trial) -> Trial:
        """A trial whose crashes have the source lines that this machine has."""
        others = tuple(
            item.model_copy(update={"crash": item.crash and sources.add(item.crash)}) for item in trial.others
        )
        return trial.model_copy(update={"crash": trial.crash and sources.add(trial.crash), "others": others})


def _check_name(name: str, start: str) -> None:
    """Refuse a name that is not a plain one below `start`."""
    rest = name.removeprefix(start)
    parts = rest.split("/")
    plain = str(PurePosixPath(name)) == name and len(parts) <= DEEPEST
    if (
        not plain
        or any(part in ("", ".", "..") or len(part.encode()) > LONGEST for part in parts)
        or "\0" in rest
    ):
        raise HostError(f"{name[:80]!r} is no name of a file of a cell", hint="leave that host out")
