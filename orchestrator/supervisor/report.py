"""The report of the exits that this program saw; only this program can write it, for the host to read.

A file of JSON lines, one of the versions and then one for each trial. It is opened once, before the first
tested process runs. Where tested processes run as another user (identity.py), file and folder are root's, on
a volume of their own that a tested process can neither write to nor fill. Where this program fails, the last
line says why.
"""

from __future__ import annotations

import json
import os

SCHEMA = 4
LONGEST_DOING, LONGEST_NOTE, MOST_NOTES = 2000, 500, 50
"""Characters of what a process was doing, characters of a note, and the number of notes of a report."""


class Report:
    """The report while it is written."""

    def __init__(self, path: str, versions: dict[str, str]) -> None:
        """Create the file; raises OSError (FileExistsError for one that is there)."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._add({"schema": SCHEMA, "versions": versions})

    def add(self, ended: dict[str, object]) -> None:
        """Add the exit of a trial."""
        others = ended.get("others", [])
        told = [bounded(one) for one in others] if isinstance(others, list) else []
        self._add({**bounded(ended), "others": told})

    def fail(self, why: str) -> None:
        """Write why the next trial has no exit."""
        self._add({"failure": shortened(why, LONGEST_NOTE)})

    def _add(self, document: dict[str, object]) -> None:
        line = f"{json.dumps(document)}\n".encode()
        while line:
            line = line[os.write(self._file, line) :]


def bounded(ended: dict[str, object]) -> dict[str, object]:
    """An exit without text that the host would refuse: the tested process chooses some, as a test's name."""
    notes = ended["notes"]
    kept = notes[:MOST_NOTES] if isinstance(notes, list) else []
    return {
        **ended,
        "doing": shortened(ended.get("doing"), LONGEST_DOING),
        "notes": [shortened(note, LONGEST_NOTE) for note in kept],
    }


def shortened(text: object, longest: int) -> str | None:
    """The beginning of a text, without halves of surrogate pairs; None for anything else."""
    return text[:longest].encode(errors="replace").decode() if isinstance(text, str) else None
