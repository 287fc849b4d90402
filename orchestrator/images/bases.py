"""The images under every cell: a base, which brings a glibc, and what is copied or compiled beside it."""

from orchestrator.errors import InputError
from orchestrator.images import rootfs
from orchestrator.images.drafts import Drafts
from orchestrator.model import Arch, Base, ImageKind, ImageSpec, RegistryImage


def base_image(drafts: Drafts, base: Base, arch: Arch) -> ImageSpec:
    """The image of a base, as the catalogue says where it comes from."""
    return drafts.once(("base", base.name, arch), lambda: _base(drafts, base, arch))


def _base(drafts: Drafts, base: Base, arch: Arch) -> ImageSpec:
    if base.pulled:
        return _pulled(drafts, base, base.pulled, arch)
    if base.debian is None:
        raise InputError(f"base {base.name} cannot be made yet", mend="use another glibc")
    return drafts.add(f"base-{base.name}", ImageKind.ROOTFS, arch, rootfs.command(base.debian, arch))


def _pulled(drafts: Drafts, base: Base, image: RegistryImage, arch: Arch) -> ImageSpec:
    pin = drafts.catalogue.pin_of(base, arch)
    if pin is None:
        raise InputError(
            f"{base.name} is not pinned in images/lock.yaml", mend="run `crashmatrix images lock`"
        )
    return drafts.dockerfile(
        f"base-{base.name}",
        "Dockerfile.registry.j2",
        arch,
        parents={},
        files=[],
        values={
            "image": pin.reference,
            "platform": None if arch is drafts.host else arch.platform,
            "glibc": base.glibc,
            "packages": " ".join(image.packages) or None,
        },
        pulls=pin.reference,
    )


def builder_base(drafts: Drafts, arch: Arch) -> Base:
    """The base that compilers run on; raises InputError where the catalogue has none."""
    suite = drafts.catalogue.builder_suite
    base = drafts.catalogue.base_of(suite, arch)
    if base is None:
        raise InputError(
            f"no base of {suite} for {arch}, to compile in",
            mend="add the architecture to that base in images/catalogue.yaml",
        )
    return base
