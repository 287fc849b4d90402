"""Finds the engine that answers and describes it."""

from __future__ import annotations

__lazy_modules__ = ("docker", "requests", "tenacity")

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import docker
import requests
import tenacity

from orchestrator.adapters.engine.calls import ENGINE_HINT, engine_errors, retried
from orchestrator.errors import EngineUnreachableError

CALL_TIMEOUT: Final = 120
"""Seconds for one engine call; a load may be silent for long on a slow disk."""
ENGINE_WAIT: Final = "CRASHMATRIX_ENGINE_WAIT"
"""The variable with the seconds that an engine may be away, as while its packages are upgraded."""
USUAL_WAIT: Final = 120.0
UNIX: Final = "unix://"
SOCKETS: Final = (
    "/var/run/docker.sock",
    "/run/crashmatrix/docker.sock",
    "/run/podman/podman.sock",
    "/run/user/{uid}/podman/podman.sock",
    "/run/crashmatrix/podman.sock",
)


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """What answered: name (docker or podman), versions, and its machine's architecture."""

    name: str
    version: str
    api: str
    arch: str
    root: str
    driver: str = ""
    """The storage driver."""
    memory: int = 0
    """The memory of its machine in bytes; 0 if the engine does not report it."""

    def __str__(self) -> str:
        return f"{self.name} {self.version} (API {self.api}, {self.arch})"


def endpoints() -> tuple[str, ...]:
    """The endpoints at which an engine may answer: DOCKER_HOST alone where it is set."""
    if host := os.environ.get("DOCKER_HOST"):
        return (host,)
    paths = [path.format(uid=os.getuid()) for path in SOCKETS]
    # Not Path.exists, which raises in a folder that this user may not search, as root's /run/podman.
    return tuple(f"{UNIX}{path}" for path in paths if os.path.exists(path))  # noqa: PTH110


def engine_wait() -> float:
    """How long to wait for an engine that went away, in seconds; 0 for a variable that is no number."""
    try:
        return max(0.0, float(os.environ.get(ENGINE_WAIT, USUAL_WAIT)))
    except ValueError:
        return 0.0


def refusal(endpoint: str) -> str | None:
    """Why a Unix socket refuses connections; None if it accepts, and for other kinds of endpoint.

    This does not use the SDK, which leaves its socket open when it cannot connect.
    """
    if not endpoint.startswith(f"{UNIX}/"):
        return None
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CALL_TIMEOUT)
        try:
            probe.connect(endpoint.removeprefix(UNIX))
        except PermissionError:
            return "permission denied"
        except OSError:
            return "no answer"
    return None


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


class Connection:
    """A connection to the first engine that answers. Thread-safe, as the SDK's pooled client is."""

    def __init__(self, client: docker.DockerClient, endpoint: str) -> None:
        self._client = client
        self._api = client.api
        self.endpoint = endpoint
        self._away = threading.Lock()

    @classmethod
    def connect(cls) -> Self:
        """Connect; raises EngineUnreachableError, which names every place that was tried."""
        tried: list[str] = []
        for endpoint in endpoints():
            if refused := refusal(endpoint):
                tried.append(f"{endpoint} ({refused})")
                continue
            try:
                client = docker.DockerClient(
                    base_url=endpoint, version="auto", timeout=CALL_TIMEOUT, max_pool_size=32
                )
                client.ping()
            except (docker.errors.DockerException, requests.exceptions.RequestException):
                tried.append(f"{endpoint} (no answer)")
            else:
                return cls(client, endpoint)
        places = ", ".join(tried) or "no engine socket exists"
        raise EngineUnreachableError(f"no container engine answers: {places}", hint=ENGINE_HINT)

    @cached_property
    def _said(self) -> dict[str, Any]:
        """What the engine says of its machine and of itself, once: it counts all of its images for that."""
        with engine_errors("asking what it is"):
            return dict(retried(self._api.info)())

    def info(self) -> EngineInfo:
        """Ask the engine what it is."""
        info = self._said
        with engine_errors("asking what it is"):
            version = retried(self._api.version)()
        names = [part.get("Name", "") for part in version.get("Components", [])]
        podman = any("podman" in name.lower() for name in names)
        return EngineInfo(
            name="podman" if podman else "docker",
            version=str(version["Version"]),
            api=str(version["ApiVersion"]),
            arch=str(info["Architecture"]),
            root=str(info.get("DockerRootDir", "")),
            driver=str(info.get("Driver", "")),
            memory=int(info.get("MemTotal") or 0),
        )

    def answers(self) -> bool:
        """Whether the engine accepts new connections; one that is ending still serves its open ones."""
        try:
            return refusal(self.endpoint) is None and bool(self._api.ping())
        except (docker.errors.DockerException, requests.exceptions.RequestException):
            return False

    def returns(self, stop: threading.Event, say: Callable[[str], None]) -> bool:
        """Whether the engine answers again within ENGINE_WAIT seconds; reports the wait once."""
        with self._away:
            if self.answers():  # another thread has waited for it
                return True
            seconds = engine_wait()
            say(f"The container engine does not answer; waiting up to {seconds:g} s for it.")
            asked = tenacity.Retrying(
                retry=tenacity.retry_if_result(lambda there: not there),
                stop=tenacity.stop_after_delay(seconds) | tenacity.stop_when_event_set(stop),
                wait=tenacity.wait_fixed(1),
                sleep=tenacity.sleep_using_event(stop),
            )
            try:
                asked(self.answers)
            except tenacity.RetryError:
                return False
            say("The container engine answers again; what it interrupted is run again.")
            return True

    @property
    def since(self) -> float:
        """A time at which the engine had not started yet, in seconds since the epoch; 0 where none is known.

        It makes its Unix socket as it starts, or finds one that systemd made, and writes a file with its pid.
        """
        path = Path(self.endpoint.removeprefix(UNIX))
        return max(map(_modified, (path, path.with_suffix(".pid"))))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
