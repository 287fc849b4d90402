"""What GitHub keeps between jobs and nights, in files of the lab: artifacts by run, issues, calls of `gh`."""

import fcntl
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

REPOSITORY: Final = 42
FORK: Final = 43


@dataclass(frozen=True)
class Store:
    """The folder of a lab. Jobs that run at once change it one after another."""

    root: Path

    @contextmanager
    def state(self) -> Iterator[dict[str, Any]]:
        """What is known, to read and to change."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            file = self.root / "state.json"
            known = json.loads(file.read_text()) if file.exists() else {"artifacts": [], "issues": []}
            yield known
            file.write_text(json.dumps(known, indent=1))

    def read(self) -> dict[str, Any]:
        """What is known now."""
        with self.state() as known:
            return dict(known)

    def add_artifact(
        self, name: str, run: int, files: dict[str, Path], *, overwrite: bool, repository: int = REPOSITORY
    ) -> None:
        """Keep files as GitHub does: as a zip without modes and links; no two of one name in a run."""
        with self.state() as known:
            same = [item for item in known["artifacts"] if (item["name"], item["run"]) == (name, run)]
            if same and not overwrite:
                raise SystemExit(f"an artifact {name!r} of this run exists already (409 Conflict)")
            known["artifacts"] = [item for item in known["artifacts"] if item not in same]
            number = 1 + max((item["id"] for item in known["artifacts"]), default=0)
            known["artifacts"].append({"id": number, "name": name, "run": run, "repository": repository})
            with zipfile.ZipFile(self.zip_of(name, run), "w") as archive:
                for inside, file in files.items():
                    archive.writestr(inside, file.read_bytes())

    def unpack(self, name: str, run: int, into: Path) -> None:
        """Unpack an artifact of a run."""
        into.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(self.zip_of(name, run)) as archive:
            archive.extractall(into)

    def zip_of(self, name: str, run: int) -> Path:
        """The file of an artifact."""
        return self.root / f"{run}-{name}.zip"

    def names(self, run: int) -> list[str]:
        """The names of a run's artifacts, of all its attempts."""
        return [item["name"] for item in self.read()["artifacts"] if item["run"] == run]

    def issues(self) -> list[dict[str, Any]]:
        """All issues."""
        return list(self.read()["issues"])

    def record(self, words: list[str]) -> None:
        """Keep a call of gh, which may be the first thing that happens."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "gh.jsonl").open("a") as file:
            file.write(json.dumps(words) + "\n")

    def calls(self) -> list[list[str]]:
        """The calls of gh so far."""
        file = self.root / "gh.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
