"""Archives of images, for another machine without a registry, such as by the cache of a CI service.

An archive is a tar as `docker save` writes it: of Docker's own format, or with blobs as OCI has them. One
from elsewhere is trusted no more than a registry. The engine gets a tar that this module writes anew, of the
images that a plan has, under this program's own names: what else an archive has, or calls its members,
reaches no engine.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from orchestrator.errors import InputError, Location
from orchestrator.images import tars
from orchestrator.images.tars import DamagedTarError, Member, Tar
from orchestrator.model import LABEL_KEY, ImageSpec

MANIFEST: Final = "manifest.json"
MAX_DOCUMENT: Final = 16 << 20
MAX_IMAGES: Final = 20_000
MAX_LAYERS: Final = 200
"""More than any storage driver takes (overlay2: 128)."""
MAX_LAYER: Final = 32 << 30
"""Bytes of a layer once it is unpacked."""
GZIP: Final = b"\x1f\x8b"
PREFIXES: Final = ("localhost/", "docker.io/")
"""What Podman, and Docker with the store of containerd, put before a name without a host."""
_DIGEST: Final = r"^sha256:[0-9a-f]{64}$"
T = TypeVar("T")


class _Document(BaseModel):
    """A document of the archive; fields that are of no use here are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class _Entry(_Document):
    config: str = Field(alias="Config")
    tags: tuple[str, ...] | None = Field(default=None, alias="RepoTags")
    layers: tuple[str, ...] = Field(alias="Layers", max_length=MAX_LAYERS)


class _Layers(_Document):
    digests: tuple[Annotated[str, Field(pattern=_DIGEST)], ...] = Field(
        alias="diff_ids", max_length=MAX_LAYERS
    )


class _Settings(_Document):
    labels: dict[str, Any] | None = Field(default=None, alias="Labels")


class _Config(_Document):
    architecture: str
    config: _Settings
    rootfs: _Layers


@dataclass(frozen=True, kw_only=True)
class ArchivedImage:
    """An image of an archive that a plan has, with its layers by the digest of their content."""

    spec: ImageSpec
    config: bytes
    layers: tuple[tuple[str, Member], ...]


@dataclass(frozen=True)
class Archive:
    """An open archive."""

    path: Path
    tar: Tar

    def images(self, specs: Sequence[ImageSpec]) -> list[ArchivedImage]:
        """Those of the images that are there.

        Raises InputError for an image that is not what its name says, by the label of its key, its
        architecture and the digest of its configuration.
        """
        with self._refused():
            entries = _parsed(TypeAdapter(list[_Entry]), self.tar.content(MANIFEST, MAX_DOCUMENT))
            if len(entries) > MAX_IMAGES:
                raise DamagedTarError("it has too many images")
            named = {_own_name(tag): entry for entry in entries for tag in entry.tags or ()}
            return [self._image(spec, named[spec.tag]) for spec in specs if spec.tag in named]

    def _image(self, spec: ImageSpec, entry: _Entry) -> ArchivedImage:
        text = self.tar.content(entry.config, MAX_DOCUMENT)
        config = _parsed(TypeAdapter(_Config), text)
        digest = re.search(r"[0-9a-f]{64}", entry.config)
        if digest and digest[0] != hashlib.sha256(text).hexdigest():
            raise DamagedTarError(f"the configuration of {spec.tag} is not what its digest says")
        if (config.config.labels or {}).get(LABEL_KEY) != spec.key:
            raise DamagedTarError(f"it has another image under the name {spec.tag}")
        if config.architecture != spec.arch.debian or len(entry.layers) != len(config.rootfs.digests):
            raise DamagedTarError(f"{spec.tag} has another architecture, or not its layers")
        members = map(self.tar.find, entry.layers)
        return ArchivedImage(
            spec=spec, config=text, layers=tuple(zip(config.rootfs.digests, members, strict=True))
        )

    def stream(self, images: Sequence[ArchivedImage]) -> Iterator[bytes]:
        """These images as an archive for an engine, each layer once.

        Raises InputError before its end where a layer is not what its digest says; the manifest is the last
        member, so that an engine takes nothing of a stream that broke off.
        """
        layers = {digest: member for image in images for digest, member in image.layers}
        configs = {f"{hashlib.sha256(image.config).hexdigest()}.json": image for image in images}
        manifest = [
            {
                "Config": name,
                "RepoTags": [image.spec.tag],
                "Layers": [_layer(digest) for digest, _ in image.layers],
            }
            for name, image in configs.items()
        ]
        with self._refused():
            for digest, member in layers.items():
                yield tars.header(_layer(digest), member.size)
                yield from _verified(digest, self.tar.chunks(member))
                yield tars.padding(member.size)
        yield from tars.written({name: image.config for name, image in configs.items()})
        yield from tars.written({MANIFEST: json.dumps(manifest).encode()})
        yield tars.END

    @contextmanager
    def _refused(self) -> Generator[None]:
        try:
            yield
        except DamagedTarError as error:
            raise _refusal(self.path, str(error)) from error


@contextmanager
def opened(path: Path) -> Generator[Archive]:
    """An archive to read; raises InputError where it cannot be."""
    try:
        with path.open("rb") as file:
            try:
                tar = Tar(file)
            except DamagedTarError as error:
                raise _refusal(path, str(error)) from error
            yield Archive(path, tar)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise _refusal(path, f"it cannot be read: {error.strerror}") from error


def _refusal(path: Path, what: str) -> InputError:
    return InputError(
        f"this archive of images cannot be used: {what}",
        where=Location(file=str(path)),
        hint="make one with `crashmatrix images save`",
    )


def _own_name(tag: str) -> str:
    return next((tag.removeprefix(prefix) for prefix in PREFIXES if tag.startswith(prefix)), tag)


def _layer(digest: str) -> str:
    return f"{digest.partition(':')[2]}/layer.tar"


def _parsed(kind: TypeAdapter[T], text: bytes) -> T:
    try:
        return kind.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise DamagedTarError(f"a document in it cannot be read: {first['msg']}") from error


def _verified(digest: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks of a layer, compressed or not; at their end its content must be what the digest says."""
    content, size, unpack = hashlib.sha256(), 0, None
    for number, chunk in enumerate(chunks):
        if number == 0 and chunk.startswith(GZIP):
            unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        for piece in _unpacked(unpack, chunk) if unpack else (chunk,):
            content.update(piece)
            size += len(piece)
            if size > MAX_LAYER:
                raise DamagedTarError(f"a layer has more than {MAX_LAYER >> 30} GiB")
        yield chunk
    if unpack:
        content.update(unpack.flush())
    if f"sha256:{content.hexdigest()}" != digest:
        raise DamagedTarError(f"the layer {digest[:19]} is not what its digest says")


def _unpacked(unpack: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    """What a chunk of gzip holds, in pieces of bounded size."""
    try:
        while chunk and not unpack.eof:
            yield unpack.decompress(chunk, tars.CHUNK)
            chunk = unpack.unconsumed_tail
    except zlib.error as error:
        raise DamagedTarError(f"a layer cannot be unpacked ({error})") from error
    if unpack.eof and (chunk or unpack.unused_data):
        raise DamagedTarError("a layer has something behind its end")


def cache_key(specs: Sequence[ImageSpec]) -> str:
    """One digest over the keys of images, by which a CI service finds their archive."""
    return hashlib.sha256("\n".join(sorted(spec.key for spec in specs)).encode()).hexdigest()[:32]
