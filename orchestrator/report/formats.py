"""What a report format is: a file of the run's folder, and the function that makes it."""

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.adapters.files import write_below
from orchestrator.rundir import RunData


@dataclass(frozen=True, kw_only=True)
class Format:
    """A report: `name` as the terminal calls it, and the `file` that a reader opens, in the run's folder.

    Either `text` returns all of the file, or `write` writes it and the files that belong to it.
    """

    name: str
    file: str
    text: Callable[[RunData], str] | None = None
    write: Callable[[RunData], None] | None = None

    def into(self, data: RunData) -> None:
        """Write the report into the run's folder."""
        if self.text is not None:
            write_below(data.folder, self.file, self.text(data))
        if self.write is not None:
            self.write(data)
