"""The images of bases, each of which brings a glibc, and of the compilers that run on one of them."""

from typing import Final

from orchestrator.errors import InputError
from orchestrator.images import rootfs
from orchestrator.images.drafts import Drafts
from orchestrator.model import (
    TOOLCHAIN_ARCH,
    Arch,
    Base,
    CrossSysroot,
    ImageKind,
    ImageSpec,
    Instrument,
    RegistryImage,
)

INSTALLED: Final = frozenset({Instrument.STRACE, Instrument.VALGRIND})
"""Instruments that are packages of a base's own suite."""
ETC: Final = ("group", "hosts", "nsswitch.conf", "passwd")


def base_image(drafts: Drafts, base: Base, arch: Arch) -> ImageSpec:
    """The image of a base, as the catalogue says where it comes from."""
    return drafts.once(("base", base.name, arch), lambda: _base(drafts, base, arch))


def instrument_image(drafts: Drafts, base: Base, arch: Arch, instrument: Instrument) -> ImageSpec:
    """The files that installing an instrument adds to a base, fetched once for all its environments."""
    return drafts.once(
        ("instrument", instrument, base.name, arch),
        lambda: drafts.dockerfile(
            f"{instrument}-{base.name}",
            "Dockerfile.instrument.j2",
            arch,
            parents={"base": base_image(drafts, base, arch)},
            files=[],
            values={"name": instrument},
        ),
    )


def _base(drafts: Drafts, base: Base, arch: Arch) -> ImageSpec:
    if base.pulled:
        return _pulled(drafts, base, base.pulled, arch)
    if base.debian:
        return drafts.add(f"base-{base.name}", ImageKind.ROOTFS, arch, rootfs.command(base.debian, arch))
    etc = drafts.project / "images" / "sysroot" / "etc"
    return drafts.dockerfile(
        f"base-{base.name}",
        "Dockerfile.sysroot.j2",
        arch,
        parents={
            "toolchain": toolchain(drafts, arch),
            "empty": None if arch is drafts.host else _empty(drafts, arch),
        },
        files=[drafts.file(etc / name, f"sysroot/etc/{name}") for name in ETC],
        values={"glibc": base.glibc, "triplet": triplet(arch)},
    )


def _empty(drafts: Drafts, arch: Arch) -> ImageSpec:
    text = f"No files: what is built from it is recorded as {arch.platform}.\n"
    return drafts.once(("empty", arch), lambda: drafts.add("empty", ImageKind.EMPTY, arch, text))


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


def toolchain(drafts: Drafts, target: Arch) -> ImageSpec:
    """The compiler of all that is made once for every glibc, for one architecture."""
    return drafts.once(("toolchain", target), lambda: _toolchain(drafts, target))


def _toolchain(drafts: Drafts, target: Arch) -> ImageSpec:
    shell = CrossSysroot().shell
    archive = drafts.download(f"cross-gcc-{target.debian}", TOOLCHAIN_ARCH)
    return drafts.dockerfile(
        f"toolchain-{target}",
        "Dockerfile.toolchain.j2",
        TOOLCHAIN_ARCH,
        parents={"base": base_image(drafts, builder_base(drafts, TOOLCHAIN_ARCH), TOOLCHAIN_ARCH)},
        files=[archive],
        values={
            "archive": archive.name,
            "triplet": triplet(target),
            "glibc": drafts.catalogue.probe_glibc,
            "shell": shell if target is TOOLCHAIN_ARCH else f"{shell}:{target.debian}",
            "gnu": None if target is TOOLCHAIN_ARCH else target.gnu,
            "debian": target.debian,
        },
    )


def triplet(arch: Arch) -> str:
    """The cross toolchain's name of an architecture, by which its programs are called."""
    return f"{arch.gnu}-unknown-linux-gnu"
