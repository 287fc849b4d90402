"""The images of interpreters that are copied into bases, and of the servers compiled against them."""

from typing import Final

from orchestrator.images.bases import INSTALLED, base_image, builder_base, instrument_image, toolchain
from orchestrator.images.drafts import Drafts
from orchestrator.model import Arch, Base, CopiedPython, ImageSpec, Instrument, InterpreterKind, OwnPython

LIBRARIES: Final = ("zlib", "libffi")
"""What a portable interpreter's modules link statically, by the names of their downloads."""
CHECK: Final = "check.py"


def environment_image(
    drafts: Drafts,
    base: Base,
    python: OwnPython | CopiedPython,
    arch: Arch,
    instrument: Instrument = Instrument.NONE,
) -> ImageSpec:
    """The image of a base with an interpreter and an instrument in it; the base's own where it needs neither.

    An interpreter that is copied in is checked there, on the glibc that it is to run on.
    """
    if instrument in INSTALLED:
        return _watched(drafts, base, python, arch, instrument)
    if isinstance(python, OwnPython):
        return base_image(drafts, base, arch)
    copied: CopiedPython = python
    what = ("environment", base.name, copied.kind, copied.version, arch)
    return drafts.once(what, lambda: _environment(drafts, base, copied, arch))


def _watched(
    drafts: Drafts, base: Base, python: OwnPython | CopiedPython, arch: Arch, instrument: Instrument
) -> ImageSpec:
    environment = environment_image(drafts, base, python, arch)
    return drafts.dockerfile(
        f"{instrument}-{environment.role}",
        "Dockerfile.watched.j2",
        arch,
        parents={
            "environment": environment,
            "instrument": instrument_image(drafts, base, arch, instrument),
        },
        files=[],
        values={"name": instrument},
    )


def _environment(drafts: Drafts, base: Base, python: CopiedPython, arch: Arch) -> ImageSpec:
    return drafts.dockerfile(
        f"environment-{base.name}-py{python.version}",
        "Dockerfile.environment.j2",
        arch,
        parents={
            "base": base_image(drafts, base, arch),
            "python": interpreter_image(drafts, python, arch),
        },
        files=[],
        values={"name": base.name, "kind": python.kind, "version": python.version},
    )


def interpreter_image(drafts: Drafts, python: CopiedPython, arch: Arch) -> ImageSpec:
    """The image that holds nothing but an interpreter, made once for all bases."""
    make = _portable if python.kind is InterpreterKind.PORTABLE else _archive
    return drafts.once(("interpreter", python.kind, python.version, arch), lambda: make(drafts, python, arch))


def _portable(drafts: Drafts, python: CopiedPython, arch: Arch) -> ImageSpec:
    sources = {"cpython": drafts.download(python.source, arch, python.version)}
    sources |= {name: drafts.download(name, arch) for name in LIBRARIES}
    scripts = drafts.project / "images" / "python"
    return drafts.dockerfile(
        f"python-{python.version}",
        "Dockerfile.python.j2",
        arch,
        parents={"toolchain": toolchain(drafts, arch)},
        files=[
            *(item.model_copy(update={"name": f"src/{item.name}"}) for item in sources.values()),
            drafts.file(scripts / "build.sh", "src/build.sh"),
            drafts.file(scripts / CHECK, f"src/{CHECK}"),
        ],
        values={
            "version": python.version,
            "glibc": drafts.catalogue.probe_glibc,
            **{name: item.name for name, item in sources.items()},
        },
    )


def _archive(drafts: Drafts, python: CopiedPython, arch: Arch) -> ImageSpec:
    archive = drafts.download(python.source, arch, python.version)
    return drafts.dockerfile(
        f"python-{python.version}-archive",
        "Dockerfile.archive.j2",
        arch,
        parents={"base": base_image(drafts, builder_base(drafts, arch), arch)},
        files=[
            archive.model_copy(update={"name": f"src/{archive.name}"}),
            drafts.file(drafts.project / "images" / "python" / CHECK, f"src/{CHECK}"),
        ],
        values={"version": python.version, "archive": archive.name},
    )


def uwsgi_image(drafts: Drafts, base: Base, python: OwnPython | CopiedPython, arch: Arch) -> ImageSpec:
    """uWSGI: by the base's own compiler for the base's own CPython, else once per interpreter."""
    if isinstance(python, OwnPython):
        own: OwnPython = python
        make = _own_uwsgi if arch is drafts.host else _cross_uwsgi
        return drafts.once(("uwsgi", base.name, own.version, arch), lambda: make(drafts, base, own, arch))
    copied: CopiedPython = python
    what = ("uwsgi", copied.kind, copied.version, arch)
    return drafts.once(what, lambda: _portable_uwsgi(drafts, copied, arch))


def _own_uwsgi(drafts: Drafts, base: Base, python: OwnPython, arch: Arch) -> ImageSpec:
    sdist = drafts.download("uwsgi", arch)
    return drafts.dockerfile(
        f"uwsgi-{label(base, python)}",
        "Dockerfile.uwsgi.j2",
        arch,
        parents={"base": base_image(drafts, base, arch)},
        files=[sdist, drafts.file(drafts.project / "images" / "uwsgi.ini", "uwsgi.ini")],
        values={
            "sdist": sdist.name,
            "packages": " ".join(python.toolchain),
            "program": python.program.removeprefix("/usr/bin/"),
        },
    )


def _cross_uwsgi(drafts: Drafts, base: Base, python: OwnPython, arch: Arch) -> ImageSpec:
    """uWSGI by the suite's compilers on the host's architecture; emulated they took over ten minutes."""
    sdist = drafts.download("uwsgi", arch)
    suite = base.debian
    return drafts.dockerfile(
        f"uwsgi-{label(base, python)}",
        "Dockerfile.uwsgi-cross.j2",
        arch,
        parents={"base": base_image(drafts, base, arch), "builder": base_image(drafts, base, drafts.host)},
        files=[sdist, drafts.file(drafts.project / "images" / "uwsgi.ini", "uwsgi.ini")],
        values={
            "sdist": sdist.name,
            "packages": " ".join(python.toolchain),
            "program": python.program.removeprefix("/usr/bin/"),
            "version": python.version,
            "debian": arch.debian,
            "gnu": arch.gnu,
            # Not the security updates, which the base is without as well.
            "release": suite.suite if suite and arch in suite.without_security else None,
            "gnu_package": arch.gnu.replace("_", "-"),
        },
    )


def _portable_uwsgi(drafts: Drafts, python: CopiedPython, arch: Arch) -> ImageSpec:
    sdist = drafts.download("uwsgi", arch)
    return drafts.dockerfile(
        f"uwsgi-py{python.version}",
        "Dockerfile.uwsgi-portable.j2",
        arch,
        parents={"toolchain": toolchain(drafts, arch), "python": interpreter_image(drafts, python, arch)},
        files=[sdist, drafts.file(drafts.project / "images" / "uwsgi.ini", "uwsgi.ini")],
        values={
            "sdist": sdist.name,
            "version": python.version,
            "kind": python.kind,
            "glibc": drafts.catalogue.probe_glibc,
        },
    )


def label(base: Base, python: OwnPython | CopiedPython) -> str:
    """The environment in an image's role; a base's only interpreter of its own needs no mention."""
    only_own = isinstance(python, OwnPython) and len(base.pythons) == 1
    return base.name if only_own else f"{base.name}-py{python.version}"
