"""Images: listed, built with the classic builder, loaded from archives."""

from __future__ import annotations

__lazy_modules__ = ("docker", "requests")

import os
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

import docker
import requests

from orchestrator.adapters.engine.calls import CONFLICT, engine_errors, retried
from orchestrator.adapters.engine.connection import Connection
from orchestrator.adapters.network import proxies
from orchestrator.adapters.process import failure
from orchestrator.errors import BuildError, EngineError, HostError, InputError, TransientError
from orchestrator.model import LABEL, LABEL_KEY, Arch

BUILD_TIMEOUT: Final = 3600
"""Seconds that a build step may be silent; a compile under qemu-user takes its time."""
ASKED: Final = 32
"""Images that are asked for one by one. To list what it has, an engine reads every image's configuration:
2 s for 12,000 images (Docker 20.10), as long as asking for 500."""
CHUNK: Final = 1 << 20
OVERLAYS: Final = frozenset({"overlay2", "overlay"})
"""Storage drivers whose layers are those of overlayfs, by Docker's name and by Podman's."""
UNKNOWN: Final = ("manifest unknown", "name unknown")
"""What a registry says, by the engine, of an image that it does not have."""
REGISTRY_HINT: Final = (
    "check that the engine reaches the registry (its proxy, its certificates), then try again"
)


@contextmanager
def _registry_errors(doing: str) -> Generator[None]:
    """How the engine reports a registry that refuses or does not answer; that is no failure of the engine."""
    try:
        yield
    except EngineError as error:
        cause = error.__cause__
        if not isinstance(cause, docker.errors.APIError):
            raise
        kind = HostError if cause.is_client_error() else TransientError
        raise kind(f"{doing}: {cause.explanation or cause}", hint=REGISTRY_HINT) from cause


class Images(Connection):
    """The engine's images."""

    def __init__(self, client: docker.DockerClient, endpoint: str) -> None:
        super().__init__(client, endpoint)
        self._builds: dict[int, requests.Response] = {}
        self._api.hooks["response"].append(self._note_build)

    def present(self, tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Those of the images with these tags, by key, that the engine has: their keys and ids."""
        if len(tags) > ASKED:
            found = self.images()
            yield from ((key, found[key]) for key in tags if key in found)
            return
        for key, tag in tags.items():
            if image := self.built(tag, key):
                yield key, image

    def images(self) -> dict[str, str]:
        """Image ids by content-addressed key, with one engine call.

        Images inherit the labels of what they are built on, so a build's untagged stage carries the
        key of its base: only the image whose tag is of the key counts.
        """
        with engine_errors("listing images"):
            found = retried(self._api.images)(filters={"label": LABEL_KEY})
        keyed = [(image["Labels"][LABEL_KEY], image) for image in found]
        return {
            key: image["Id"]
            for key, image in keyed
            if any(tag.endswith(f":{key[:16]}") for tag in image["RepoTags"] or ())
        }

    def built(self, tag: str, key: str) -> str | None:
        """The id of the image with this tag and key, if present; listing all images takes far longer."""
        with engine_errors(f"looking for {tag}"):
            try:
                found = retried(self._api.inspect_image)(tag)
            except docker.errors.NotFound:
                return None
        labels = found["Config"].get("Labels") or {}
        return str(found["Id"]) if labels.get(LABEL_KEY) == key else None

    @staticmethod
    def key_labels(key: str) -> dict[str, str]:
        """The labels by which `built` recognises an image."""
        return {LABEL_KEY: key}

    def image_id(self, name: str) -> str:
        """The id of an image that a person named; raises InputError if the engine has no such image."""
        with engine_errors(f"looking for image {name}"):
            try:
                return str(retried(self._api.inspect_image)(name)["Id"])
            except (docker.errors.NotFound, docker.errors.NullResource) as error:
                raise InputError(f"the engine has no image {name!r}", hint="see `docker images`") from error

    def image_environment(self, image: str) -> dict[str, str]:
        """The environment variables that an image sets for its processes."""
        with engine_errors(f"looking at {image}"):
            listed = retried(self._api.inspect_image)(image)["Config"].get("Env") or ()
        return dict(item.partition("=")[::2] for item in listed)

    def layers(self, image: str) -> tuple[Path, ...]:
        """The folders of an image's layers, from the top down; empty where this user cannot read them.

        Only the overlayfs drivers of Docker and Podman report them, and only an engine on this host has them
        here. The engine gives them random names, so folders of another engine cannot be mistaken for them.
        """
        with engine_errors(f"looking at {image}"):
            driver = retried(self._api.inspect_image)(image).get("GraphDriver") or {}
        data = driver.get("Data") or {}
        if driver.get("Name") not in OVERLAYS or not data.get("UpperDir"):
            return ()
        below = str(data.get("LowerDir") or "")
        found = tuple(Path(name) for name in (data["UpperDir"], *filter(None, below.split(":"))))
        return found if all(os.access(layer, os.R_OK | os.X_OK) for layer in found) else ()

    def build(
        self, context: IO[bytes], *, tag: str, labels: Mapping[str, str], log: IO[str], offline: bool = False
    ) -> str:
        """Build a Dockerfile from a tar of its context with the classic builder; returns the image id.

        Its FROM lines name a foreign platform: a platform for the whole build would also apply to the stages
        that run the host's own compilers (Docker 20.10). The steps of an `offline` build have no network but
        their loopback, and are told no proxy, whose address may have a password. The whole build log goes to
        `log`. Raises BuildError where a step fails, EngineError where the engine does or where `stop_builds`
        breaks the build off.
        """
        with engine_errors(f"building {tag}"):
            try:
                steps = self._api.build(
                    fileobj=context,
                    custom_context=True,
                    tag=tag,
                    rm=True,
                    forcerm=True,
                    decode=True,
                    labels=dict(labels),
                    buildargs={} if offline else proxies(),
                    use_config_proxy=not offline,
                    pull=False,
                    network_mode="none" if offline else None,
                    timeout=BUILD_TIMEOUT,
                )
                for step in steps:
                    log.write(step.get("stream") or "")
                    if "error" in step:
                        log.write(f"{step['error']}\n")
                        raise BuildError(
                            step["error"].strip(),
                            hint=f"read the whole log in {getattr(log, 'name', 'the build log')}",
                        )
            finally:
                if answer := self._builds.pop(threading.get_ident(), None):
                    answer.close()
            return str(self._api.inspect_image(tag)["Id"])

    def resolve(self, image: str) -> str:
        """The digest that a tag stands for now, as its registry says; raises HostError.

        The engine asks, as it also pulls: its proxy, its certificates, its trust in loopback.
        """
        with _registry_errors(f"resolving {image}"), engine_errors(f"resolving {image}"):
            return str(self._api.inspect_distribution(image)["Descriptor"]["digest"])

    def pull(self, image: str, arch: Arch) -> None:
        """Pull an image by digest for an architecture, unless it is present.

        Raises TransientError where another attempt may work, HostError where the registry has no such image.
        """
        with _registry_errors(f"pulling {image}"), engine_errors(f"pulling {image}"):
            if self._architecture(image) == arch.debian:
                return
            for step in self._api.pull(image, platform=arch.platform, stream=True, decode=True):
                if "error" in step:
                    raise failure(f"pulling {image}: {step['error']}", str(step["error"]), REGISTRY_HINT)

    def take(self, place: str, tag: str, key: str) -> str | None:
        """Pull the image of this key from a repository of a registry, and call it `tag`; its id.

        None if the registry has no such image. Raises HostError where it refuses, is away, or has another
        image under that key.
        """
        with _registry_errors(f"pulling from {place}"), engine_errors(f"pulling from {place}"):
            try:
                said = list(self._api.pull(place, tag=key, stream=True, decode=True))
            except docker.errors.NotFound:
                return None
        failed = next((str(step["error"]) for step in said if "error" in step), None)
        if failed is not None:
            if any(words in failed for words in UNKNOWN):
                return None
            raise HostError(f"pulling from {place}: {failed}", hint=REGISTRY_HINT)
        found = self.built(f"{place}:{key}", key)
        with engine_errors(f"naming {tag}"):
            if found:
                repository, _, version = tag.rpartition(":")
                self._api.tag(f"{place}:{key}", repository, version)
            self._api.remove_image(f"{place}:{key}", noprune=True)
        if found is None:
            raise HostError(f"{place} has another image under {key}", hint="remove it there")
        return found

    def give(self, place: str, tag: str, key: str) -> None:
        """Push an image under its key to a repository of a registry; raises HostError where that refuses."""
        with _registry_errors(f"pushing to {place}"), engine_errors(f"pushing to {place}"):
            self._api.tag(tag, place, key)
            try:
                for step in self._api.push(place, tag=key, stream=True, decode=True):
                    if "error" in step:
                        raise HostError(f"pushing to {place}: {step['error']}", hint=REGISTRY_HINT)
            finally:
                self._api.remove_image(f"{place}:{key}", noprune=True)

    def _architecture(self, image: str) -> str | None:
        try:
            return str(self._api.inspect_image(image)["Architecture"])
        except docker.errors.NotFound:
            return None

    def stop_builds(self) -> None:
        """Cancel every running build: the engine kills and removes the container of its step."""
        for answer in list(self._builds.values()):
            # A build that ends by itself right now has given its connection back already.
            with suppress(RuntimeError, ValueError):
                answer.raw.shutdown()

    def _note_build(self, response: requests.Response, **_: object) -> None:
        """Keep the response that a build's log is read from; the SDK does not expose it."""
        if urlsplit(response.url).path.endswith("/build"):
            self._builds[threading.get_ident()] = response

    def prune_stages(self) -> None:
        """Remove what builds left beside their images: untagged stages, and the steps of failed builds.

        Call it only while no build of this program runs, since it would remove that build's stages. It does
        nothing while another run removes them.
        """
        with engine_errors("removing build stages"):
            try:
                retried(self._api.prune_images)(filters={"dangling": True, "label": LABEL})
            except docker.errors.APIError as error:
                if error.status_code != CONFLICT:
                    raise

    def load(self, archive: IO[bytes], *, tag: str) -> str:
        """Load a `docker save` archive; returns the id of the image that it tags."""
        with engine_errors(f"loading {tag}"):
            for _ in self._api.load_image(archive):
                pass
            return str(retried(self._api.inspect_image)(tag)["Id"])

    def load_all(self, archive: Iterable[bytes]) -> None:
        """Load an archive of images piece by piece; an error that a piece raises breaks it off."""
        with engine_errors("loading images"):
            for step in self._api.load_image(archive):
                if "error" in step:
                    raise EngineError(
                        f"the container engine refused an archive of images: {step['error']}",
                        hint="see the engine's log",
                    )

    def save(self, tags: Sequence[str], out: IO[bytes]) -> None:
        """Write images by their tags as one archive, in which a layer that several have is there once."""
        # The SDK's own method takes one image.
        place = f"{self._api.base_url}/v{self._api.api_version}/images/get"
        with engine_errors("saving images"):
            answer = self._api.get(place, params={"names": list(tags)}, stream=True, timeout=BUILD_TIMEOUT)
            with answer:
                try:
                    answer.raise_for_status()
                except requests.exceptions.HTTPError as error:
                    docker.errors.create_api_error_from_http_exception(error)
                for chunk in answer.iter_content(CHUNK):
                    out.write(chunk)

    def remove_image(self, tag: str) -> None:
        """Remove an image; one that is gone already is fine."""
        with engine_errors(f"removing {tag}"):
            try:
                self._api.remove_image(tag, force=True)
            except docker.errors.NotFound:
                return
