"""The images of bases, each of which brings a glibc, and of the compilers that run on one of them."""

from typing import Final

from orchestrator.errors import InputError
from orchestrator.images import rootfs
from orchestrator.images.recipe_book import RecipeBook
from orchestrator.instruments import Instrument
from orchestrator.model import (
    TOOLCHAIN_ARCH,
    Arch,
    Base,
    CrossSysroot,
    ImageKind,
    ImageSpec,
    RegistryImage,
)

ETC: Final = ("group", "hosts", "nsswitch.conf", "passwd")


def base_image(book: RecipeBook, base: Base, arch: Arch) -> ImageSpec:
    """The image of a base, made from the source that the catalogue names."""
    return book.once(("base", base.name, arch), lambda: _base(book, base, arch))


def instrument_image(book: RecipeBook, base: Base, arch: Arch, instrument: Instrument) -> ImageSpec:
    """The files that installing an instrument adds to a base, fetched once for all its environments."""
    return book.once(
        ("instrument", instrument.name, base.name, arch),
        lambda: book.dockerfile(
            f"{instrument.name}-{base.name}",
            "Dockerfile.instrument.j2",
            arch,
            parents={"base": base_image(book, base, arch)},
            files=[],
            values={"name": instrument.name, "packages": " ".join(instrument.packages)},
        ),
    )


def _base(book: RecipeBook, base: Base, arch: Arch) -> ImageSpec:
    if base.pulled:
        return _pulled(book, base, base.pulled, arch)
    if base.debian:
        return book.add(f"base-{base.name}", ImageKind.ROOTFS, arch, rootfs.command(base.debian, arch))
    return book.dockerfile(
        f"base-{base.name}",
        "Dockerfile.sysroot.j2",
        arch,
        parents={
            "toolchain": toolchain(book, arch),
            "empty": None if arch is book.host else _empty(book, arch),
        },
        files=[book.part(f"sysroot/etc/{name}", f"sysroot/etc/{name}") for name in ETC],
        values={"glibc": base.glibc, "triplet": triplet(arch)},
    )


def _empty(book: RecipeBook, arch: Arch) -> ImageSpec:
    text = f"No files: what is built from it is recorded as {arch.platform}.\n"
    return book.once(("empty", arch), lambda: book.add("empty", ImageKind.EMPTY, arch, text))


def _pulled(book: RecipeBook, base: Base, image: RegistryImage, arch: Arch) -> ImageSpec:
    pin = book.catalogue.pin_of(base, arch)
    if pin is None:
        raise InputError(
            f"{base.name} is not pinned in images/lock.yaml", hint="run `crashmatrix images lock`"
        )
    return book.dockerfile(
        f"base-{base.name}",
        "Dockerfile.registry.j2",
        arch,
        parents={},
        files=[],
        values={
            "image": pin.reference,
            "platform": None if arch is book.host else arch.platform,
            "glibc": base.glibc,
            "packages": " ".join(image.packages) or None,
        },
        pulls=pin.reference,
    )


def builder_base(book: RecipeBook, arch: Arch) -> Base:
    """The base that compilers run on; raises InputError if the catalogue has none."""
    suite = book.catalogue.builder_suite
    base = book.catalogue.base_of(suite, arch)
    if base is None:
        raise InputError(
            f"no base of {suite} for {arch}, to compile in",
            hint="add the architecture to that base in images/catalogue.yaml",
        )
    return base


def toolchain(book: RecipeBook, target: Arch) -> ImageSpec:
    """The compiler for one architecture of everything that runs on every glibc."""
    return book.once(("toolchain", target), lambda: _toolchain(book, target))


def _toolchain(book: RecipeBook, target: Arch) -> ImageSpec:
    shell = CrossSysroot().shell
    archive = book.download(f"cross-gcc-{target.debian}", TOOLCHAIN_ARCH)
    return book.dockerfile(
        f"toolchain-{target}",
        "Dockerfile.toolchain.j2",
        TOOLCHAIN_ARCH,
        parents={"base": base_image(book, builder_base(book, TOOLCHAIN_ARCH), TOOLCHAIN_ARCH)},
        files=[archive],
        values={
            "archive": archive.name,
            "triplet": triplet(target),
            "glibc": book.catalogue.probe_glibc,
            "shell": shell if target is TOOLCHAIN_ARCH else f"{shell}:{target.debian}",
            "gnu": None if target is TOOLCHAIN_ARCH else target.gnu,
            "debian": target.debian,
        },
    )


def triplet(arch: Arch) -> str:
    """The cross toolchain's name of an architecture, by which its programs are called."""
    return f"{arch.gnu}-unknown-linux-gnu"
