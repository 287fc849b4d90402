"""The one module that talks to the container engine, through the Docker SDK.

Docker and Podman serve the same API; which one answered is in `EngineInfo.name`. Calls that only
prepare or read are retried with tenacity when the engine stumbles (a lost connection, an HTTP 5xx).
Nothing that would ask a crash question a second time is ever retried here.
"""

import errno
import os
import tarfile
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import LogConfig, Ulimit
from docker.utils.socket import STDOUT, frames_iter
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential

from orchestrator.errors import BuildError, EngineError, EngineUnreachableError
from orchestrator.model import LABEL, LABEL_KEY, Arch

ENGINE_MEND: Final = "run `nox -s setup`, or see `crashmatrix doctor` for what is lacking"
CALL_TIMEOUT: Final = 120
"""Seconds for one engine call; a load may be silent for long on a slow disk."""
BUILD_TIMEOUT: Final = 3600
"""Seconds that a build step may be silent; a compile under qemu-user takes its time."""
ATTEMPTS: Final = 3
FETCH_LIMIT: Final = 1 << 31
"""Bytes that one fetch takes out of a container, unless it asks for less."""
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
    cpus: int
    root: str
    rootless: bool
    driver: str = ""
    """The storage driver."""

    def __str__(self) -> str:
        return f"{self.name} {self.version} (API {self.api}, {self.arch})"


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """How one trial's container is made. Sizes in bytes; `hostname` must be unique to find its core."""

    image: str
    command: tuple[str, ...]
    hostname: str
    platform: str
    labels: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    work: str = "/work"
    memory: int = 1 << 30
    pids: int = 512


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A container that ended: the status of its init, and whether the memory limit killed it."""

    status: int
    oom: bool


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, APIError):
        return error.is_server_error()
    return isinstance(error, requests.exceptions.ConnectionError)


_retried = retry(
    retry=retry_if_exception(_is_passing),
    stop=stop_after_attempt(ATTEMPTS),
    wait=wait_random_exponential(multiplier=0.2, max=3),
    reraise=True,
)


@contextmanager
def _engine_errors(doing: str) -> Generator[None]:
    """Turn what the SDK raises into one line; a connection that broke says that the engine went away."""
    try:
        yield
    # First: the SDK's errors are also of requests' base class.
    except DockerException as error:
        said = str(getattr(error, "explanation", None) or error).strip().splitlines()
        raise EngineError(
            f"the container engine failed while {doing}: {said[-1] if said else error!r}",
            mend="see the engine's log; `crashmatrix doctor` shows its state",
        ) from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise EngineError(
            f"the container engine went away while {doing} ({type(error).__name__})", mend=ENGINE_MEND
        ) from error


def endpoints() -> tuple[str, ...]:
    """Where an engine may answer, the user's own DOCKER_HOST first and alone where it is set."""
    if host := os.environ.get("DOCKER_HOST"):
        return (host,)
    paths = [path.format(uid=os.getuid()) for path in SOCKETS]
    return tuple(f"unix://{path}" for path in paths if Path(path).exists())


class Engine:
    """A connection to the first engine that answers. Thread-safe, as the SDK's pooled client is."""

    def __init__(self, client: docker.DockerClient, endpoint: str) -> None:
        self._client = client
        self._api = client.api
        self.endpoint = endpoint
        self._builds: dict[int, requests.Response] = {}
        self._api.hooks["response"].append(self._note_build)

    @classmethod
    def connect(cls) -> "Engine":
        """Connect; raises EngineUnreachableError, which names every place that was tried."""
        tried: list[str] = []
        for endpoint in endpoints():
            try:
                client = docker.DockerClient(
                    base_url=endpoint, version="auto", timeout=CALL_TIMEOUT, max_pool_size=32
                )
                client.ping()
            except (DockerException, requests.exceptions.RequestException) as error:
                denied = "permission denied" if "Permission denied" in str(error) else "no answer"
                tried.append(f"{endpoint} ({denied})")
            else:
                return cls(client, endpoint)
        places = ", ".join(tried) or "no engine socket exists"
        raise EngineUnreachableError(f"no container engine answers: {places}", mend=ENGINE_MEND)

    def info(self) -> EngineInfo:
        """Ask the engine what it is."""
        with _engine_errors("asking what it is"):
            version, info = _retried(self._api.version)(), _retried(self._api.info)()
        names = [part.get("Name", "") for part in version.get("Components", [])]
        podman = any("podman" in name.lower() for name in names)
        return EngineInfo(
            name="podman" if podman else "docker",
            version=str(version["Version"]),
            api=str(version["ApiVersion"]),
            arch=str(info["Architecture"]),
            cpus=int(info["NCPU"]),
            root=str(info.get("DockerRootDir", "")),
            rootless=any("rootless" in option for option in info.get("SecurityOptions") or []),
            driver=str(info.get("Driver", "")),
        )

    def answers(self) -> bool:
        """Whether the engine is still there."""
        try:
            return bool(self._api.ping())
        except (DockerException, requests.exceptions.RequestException):
            return False

    # Images

    def images(self) -> dict[str, str]:
        """Image ids by content-addressed key, with one engine call.

        Images inherit the labels of what they are built on, so a build's untagged stage carries the
        key of its base: only the image whose tag is of the key counts.
        """
        with _engine_errors("listing images"):
            found = _retried(self._api.images)(filters={"label": LABEL_KEY})
        keyed = [(image["Labels"][LABEL_KEY], image) for image in found]
        return {
            key: image["Id"]
            for key, image in keyed
            if any(tag.endswith(f":{key[:16]}") for tag in image["RepoTags"] or ())
        }

    def build(
        self, context: IO[bytes], *, tag: str, arch: Arch, labels: Mapping[str, str], log: IO[str]
    ) -> str:
        """Build a Dockerfile from a tar of its context with the classic builder; returns the image id.

        The whole build log goes to `log`. Raises BuildError where a step fails, EngineError where
        the engine does or where `stop_builds` breaks the build off.
        """
        with _engine_errors(f"building {tag}"):
            try:
                steps = self._api.build(
                    fileobj=context,
                    custom_context=True,
                    tag=tag,
                    rm=True,
                    forcerm=True,
                    decode=True,
                    platform=arch.platform,
                    labels=dict(labels),
                    pull=False,
                    timeout=BUILD_TIMEOUT,
                )
                for step in steps:
                    log.write(step.get("stream") or "")
                    if "error" in step:
                        log.write(f"{step['error']}\n")
                        raise BuildError(
                            step["error"].strip(),
                            mend=f"read the whole log in {getattr(log, 'name', 'the build log')}",
                        )
            finally:
                if answer := self._builds.pop(threading.get_ident(), None):
                    answer.close()
            return str(self._api.inspect_image(tag)["Id"])

    def stop_builds(self) -> None:
        """Break off every build that runs: the engine kills and removes the container of its step."""
        for answer in list(self._builds.values()):
            # A build that ends by itself right now has given its connection back already.
            with suppress(RuntimeError, ValueError):
                answer.raw.shutdown()

    def _note_build(self, response: requests.Response, **_: object) -> None:
        """Remember the answer that a build's log comes through; the SDK keeps it to itself."""
        if urlsplit(response.url).path.endswith("/build"):
            self._builds[threading.get_ident()] = response

    def prune_stages(self) -> None:
        """Remove what builds left beside their images: untagged stages, and the steps of failed builds.

        Call it only while no build of this tool runs, else it takes a stage away under that one.
        """
        with _engine_errors("removing build stages"):
            _retried(self._api.prune_images)(filters={"dangling": True, "label": LABEL})

    def load(self, archive: IO[bytes], *, tag: str) -> str:
        """Load a `docker save` archive; returns the id of the image that it tags."""
        with _engine_errors(f"loading {tag}"):
            for _ in self._api.load_image(archive):
                pass
            return str(_retried(self._api.inspect_image)(tag)["Id"])

    def remove_image(self, tag: str) -> None:
        """Remove an image; one that is gone already is fine."""
        with _engine_errors(f"removing {tag}"):
            try:
                self._api.remove_image(tag, force=True)
            except ImageNotFound:
                return

    # Containers

    def create(self, spec: ContainerSpec) -> str:
        """Create a trial's locked-down container and its labelled work volume; returns the id.

        No network, no capabilities, no new privileges, a read-only root, limits on memory and
        pids. `init` is always on: a process that is PID 1 of its container does not die of its own
        SIGABRT, and under qemu-user it hangs for ever. The core limit must not be 1, which disables
        the kernel's pipe; -1 also lets qemu write the guest's core.
        """
        with _engine_errors(f"creating a container of {spec.image}"):
            _retried(self._api.create_volume)(name=spec.hostname, labels=dict(spec.labels))
            host = self._api.create_host_config(
                init=True,
                network_mode="none",
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                read_only=True,
                binds={spec.hostname: {"bind": spec.work, "mode": "rw"}},
                tmpfs={"/tmp": "size=64m,mode=1777"},  # noqa: S108 - inside the container
                mem_limit=spec.memory,
                memswap_limit=spec.memory,
                pids_limit=spec.pids,
                ulimits=[Ulimit(name="core", soft=-1, hard=-1)],
                log_config=LogConfig(type="none"),
            )
            made = _retried(self._api.create_container)(
                spec.image,
                list(spec.command),
                hostname=spec.hostname,
                name=spec.hostname,
                environment=dict(spec.environment),
                labels=dict(spec.labels),
                working_dir=spec.work,
                host_config=host,
                platform=spec.platform,
            )
            return str(made["Id"])

    def run(self, container: str, sink: Callable[[str, bytes], None]) -> Ended:
        """Start a container, hand each piece of output to `sink(stream, bytes)`, wait for its end.

        Attached before the start, so that nothing is missed and no log is kept by the engine. Never
        retried: a second start would be a second question.
        """
        with _engine_errors("running a container"):
            with self._attached(container) as output:
                self._api.start(container)
                for stream, data in frames_iter(output, tty=False):
                    sink("stdout" if stream == STDOUT else "stderr", data)
            status = int(self._api.wait(container)["StatusCode"])
            state = self._api.inspect_container(container)["State"]
        return Ended(status=status, oom=bool(state.get("OOMKilled")))

    @contextmanager
    def _attached(self, container: str) -> Generator[Any]:
        """The socket of a container's output. The SDK's own `attach` leaves it open until it is collected."""
        output = self._api.attach_socket(container, params={"stdout": 1, "stderr": 1, "stream": 1})
        try:
            yield output
        finally:
            output._response.close()  # noqa: SLF001 - the SDK hangs the response there, and nowhere else

    def kill(self, container: str) -> None:
        """Kill a container that is past its time; one that just ended by itself is fine."""
        with _engine_errors("killing a container"):
            try:
                self._api.kill(container)
            except APIError as error:
                if not error.is_client_error():
                    raise

    def hold(self, image: str, *, labels: Mapping[str, str]) -> str:
        """Create, never start, a container of an image, to read the image's files; returns its id."""
        with _engine_errors(f"opening {image}"):
            return str(_retried(self._api.create_container)(image, ["-"], labels=dict(labels))["Id"])

    def link_target(self, container: str, path: str) -> str | None:
        """Where a path's last component links to; None where it is no link.

        Raises FileNotFoundError where the path does not exist in the container.
        """
        with _engine_errors(f"looking at {path}"):
            try:
                stream, stat = _retried(self._api.get_archive)(container, path)
            except NotFound as error:
                raise FileNotFoundError(path) from error
            stream.close()
        return str(stat["linkTarget"]) or None

    def fetch(
        self, container: str, path: str, *, limit: int = FETCH_LIMIT
    ) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
        """The regular files at or under a path of a container, running or not, with their content.

        Names are relative to the path's parent, as in `docker cp`. They come from the container and
        are untrusted: never join them to a host path unchecked. Raises FileNotFoundError, and OSError
        (EFBIG) where there are more than `limit` bytes.
        """
        with tempfile.SpooledTemporaryFile(max_size=1 << 24) as spool:
            with _engine_errors(f"fetching {path}"):
                try:
                    stream, _ = _retried(self._api.get_archive)(container, path)
                except NotFound as error:
                    raise FileNotFoundError(path) from error
                for chunk in stream:
                    spool.write(chunk)
                    if spool.tell() > limit:
                        raise OSError(errno.EFBIG, f"more than {limit} bytes", path)
            spool.seek(0)
            with tarfile.open(fileobj=spool) as tar:
                for member in tar:
                    if member.isreg() and (content := tar.extractfile(member)):
                        yield member, content

    def remove(self, container: str) -> None:
        """Remove a container, killing it first where it still runs."""
        with _engine_errors("removing a container"):
            try:
                _retried(self._api.remove_container)(container, force=True, v=True)
            except NotFound:
                return

    def remove_volume(self, name: str) -> None:
        """Remove a work volume."""
        with _engine_errors("removing a volume"):
            try:
                _retried(self._api.remove_volume)(name, force=True)
            except NotFound:
                return

    def label_values(self, label: str) -> frozenset[str]:
        """The values that a label has on this tool's containers and volumes."""
        wanted = {"label": [LABEL, label]}
        with _engine_errors("listing what an earlier run left"):
            containers = _retried(self._api.containers)(all=True, filters=wanted)
            volumes = _retried(self._api.volumes)(filters=wanted)["Volumes"] or []
        return frozenset(item["Labels"][label] for item in [*containers, *volumes])

    def reap(self, label: str, value: str) -> int:
        """Remove every container and volume of this tool that carries a label; returns how many."""
        wanted = {"label": [LABEL, f"{label}={value}"]}
        with _engine_errors("listing what to remove"):
            containers = _retried(self._api.containers)(all=True, filters=wanted)
            volumes = _retried(self._api.volumes)(filters=wanted)["Volumes"] or []
        for container in containers:
            self.remove(container["Id"])
        for volume in volumes:
            self.remove_volume(volume["Name"])
        return len(containers) + len(volumes)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()
