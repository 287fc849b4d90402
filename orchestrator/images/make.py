"""Makes one image: keeps its log, and says in its error which step failed and how."""

import hashlib
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from orchestrator.adapters import room
from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.engine import Engine
from orchestrator.adapters.files import open_below
from orchestrator.adapters.visible import visible
from orchestrator.errors import BuildError, EngineError, FailedBuild, HostError
from orchestrator.images import context, failures, rootfs
from orchestrator.images.network import persistently
from orchestrator.images.rendered import LOG, keep_packages
from orchestrator.model import IMAGE, LABEL, LABEL_KEY, LABEL_PACKAGES, ImageKind, ImageSpec
from orchestrator.scratch import scratch_folder

SCRATCH: Final = "scratch"


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Makes images on one engine, each with a log under `logs`."""

    engine: Engine
    logs: Path
    stop: threading.Event

    def make(self, spec: ImageSpec) -> str:
        """Build one image whose parents exist; returns its id.

        Raises BuildError with the failed step and the end of its log, EngineError if the engine
        is gone.
        """
        path = self.logs / spec.folder / LOG
        try:
            with open_below(self.logs, f"{spec.folder}/{LOG}") as log:
                return self._makers[spec.kind](spec, log)
        except EngineError:
            raise
        except HostError as error:
            raise _explained(spec, error, path) from error
        except OSError as error:
            said = room.explained(error, self.logs)
            raise BuildError(f"image {spec.role} could not be built: {said.what}", hint=said.hint) from error

    @property
    def _makers(self) -> dict[ImageKind, Callable[[ImageSpec, IO[str]], str]]:
        return {
            ImageKind.ROOTFS: self._rootfs,
            ImageKind.DOCKERFILE: self._dockerfile,
            ImageKind.EMPTY: self._empty,
        }

    def _rootfs(self, spec: ImageSpec, log: IO[str]) -> str:
        # Not in /tmp, which may be memory: the tars are large.
        with scratch_folder("rootfs", cache_folder(SCRATCH)) as folder:
            made = rootfs.make(spec, folder, log, self.stop)
            labels = _labels(spec) | {LABEL_PACKAGES: hashlib.sha256(made.packages.encode()).hexdigest()}
            image = self._load(spec, made, labels, folder)
        keep_packages(spec, self.logs, made.packages)
        return image

    def _empty(self, spec: ImageSpec, log: IO[str]) -> str:
        log.write(spec.text)
        with scratch_folder("empty") as folder:
            return self._load(spec, rootfs.empty(folder), _labels(spec), folder)

    def _load(self, spec: ImageSpec, made: rootfs.Rootfs, labels: dict[str, str], folder: Path) -> str:
        with tempfile.TemporaryFile(dir=folder) as archive:
            rootfs.archive(spec, made, labels, archive)
            archive.seek(0)
            return self.engine.load(archive, tag=spec.tag)

    def _dockerfile(self, spec: ImageSpec, log: IO[str]) -> str:
        if spec.pulls:
            log.write(f"Pulling {spec.pulls}\n")
            persistently(self.engine.pull, self.stop)(spec.pulls, spec.arch)
        with tempfile.TemporaryFile(dir=cache_folder(SCRATCH)) as archive:
            context.write(spec, archive, self.stop)
            archive.seek(0)
            return self.engine.build(
                archive, tag=spec.tag, labels=_labels(spec), log=log, offline=spec.offline
            )


def _labels(spec: ImageSpec) -> dict[str, str]:
    return {LABEL: IMAGE, LABEL_KEY: spec.key}


def _explained(spec: ImageSpec, error: HostError, log: Path) -> BuildError:
    # rustc and others colour their errors even without a terminal.
    lines = visible(log.read_text(encoding="utf-8", errors="replace")).splitlines()
    step, telling = failures.step(lines), failures.telling(lines)
    where = f" in {step}" if step else ""
    cause = telling[0].strip() if telling and step else error.what
    hint = f"the whole log: {log}" if telling else error.hint
    failed = FailedBuild(role=spec.role, folder=spec.folder, step=step, lines=tuple(telling or [error.what]))
    return BuildError(f"image {spec.role} could not be built{where}: {cause}", hint=hint, failed=failed)
