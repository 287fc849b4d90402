"""Images: content-addressed specifications of what is built, and the files that go in."""

from enum import StrEnum
from typing import Final

from orchestrator.binary.arch import Arch
from orchestrator.model.base import Integer, Value
from orchestrator.model.download import Download
from orchestrator.model.packages import WheelTree

LABEL: Final = "org.crashmatrix"
IMAGE: Final = "image"
"""The value of LABEL on an image, which the containers of its build have too."""
"""On every container, volume, network and image of this tool; its value is the kind of object."""
LABEL_KEY: Final = "org.crashmatrix.key"
"""The content-addressed key of an image."""
LABEL_PACKAGES: Final = "org.crashmatrix.packages"
"""The sha256 of the list of packages in an image's root filesystem."""
LABEL_RUN: Final = "org.crashmatrix.run"
"""The run that made a container or volume."""
LABEL_CELL: Final = "org.crashmatrix.cell"
REPOSITORY: Final = "crashmatrix"


class ImageKind(StrEnum):
    """How an image is made."""

    ROOTFS = "rootfs"
    DOCKERFILE = "dockerfile"
    EMPTY = "empty"
    """An empty image of an architecture; the classic builder gives `scratch` the engine's own."""


class ContextFile(Value):
    """A file of the build context, by its `name` there.

    It is the file at `path` on the host, or the `download`, which the cache holds or fetches, or a `text`, or
    the folder that `wheels` are installed to, whose sha256 is that of their lock.
    """

    name: str
    sha256: str
    path: str | None = None
    download: Download | None = None
    text: str | None = None
    wheels: WheelTree | None = None
    executable: bool = False


class ImageSpec(Value):
    """Everything that determines an image's content. Specs with equal keys are the same image.

    `text` is the rendered Dockerfile, or the mmdebstrap command line of a rootfs (without its
    target, one argument a line, quoted as for a shell), or says what an empty image is. `parents`
    are keys of images that must exist first; their tags stand in `text`, so a parent's change
    changes the key.
    """

    role: str
    kind: ImageKind
    arch: Arch
    text: str
    files: tuple[ContextFile, ...] = ()
    parents: tuple[str, ...] = ()
    offline: bool = False
    """Whether its build has no network: it runs code of the user's, or of a package."""
    pulls: str | None = None
    """The image of a registry that the Dockerfile begins with, by digest."""
    minutes: Integer | None = None
    """About how long its build takes on two cores, where that is long. No part of the key."""
    key: str

    @property
    def tag(self) -> str:
        """The tag under which the engine knows this image."""
        return f"{REPOSITORY}/{self.role}:{self.key[:16]}"

    @property
    def folder(self) -> str:
        """The name of this image's folder where it is rendered and logged."""
        return f"{self.role}-{self.key[:16]}"
