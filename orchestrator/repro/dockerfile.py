"""The Dockerfile of a cell on a public image, and the requirements that it installs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.model import SYSTEM_PYTHON, Arch, LockedWheel, PackageLock
from orchestrator.supervisor.paths import HOME, PROJECT, SCENARIO, VENV, WORK

ROOT: Final = "root.tar"
"""The root filesystem of a base that no registry has."""
PACKED: Final = "crashmatrix.tar"
"""The files of the cell that no public image has: its interpreter, server or probe, with its packages."""
WHEELS: Final = "wheels"
REQUIREMENTS: Final = "requirements.txt"
FILES: Final = "files"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The parts of a repro's image."""

    title: str
    arch: Arch
    image: str | None
    """The public image that brings the base; None where there is none, so that its files are packed."""
    packed: bool
    """Whether the folder has PACKED."""
    variables: Mapping[str, str]
    command: tuple[str, ...]
    """The command, in the copied project or in the work folder."""
    in_project: bool
    lock: bool
    """Whether the folder has REQUIREMENTS."""
    wheels: tuple[str, ...] = ()
    """Wheel files of the folder that no index has: built from source."""
    program: str = SYSTEM_PYTHON
    apt: tuple[str, ...] = ()
    """Debian packages that bring the interpreter and the debug files of the C library."""


def dockerfile(recipe: Recipe) -> str:
    """The text of the Dockerfile."""
    return "\n".join(_lines(recipe)) + "\n"


def _lines(recipe: Recipe) -> Iterator[str]:
    yield f"# {recipe.title}"
    if recipe.image is None:
        yield from ("FROM scratch", f"ADD {ROOT} /")
    else:
        yield f"FROM --platform={recipe.arch.platform} {recipe.image}"
    if recipe.apt and recipe.image is not None:
        yield "RUN apt-get -qq update \\"
        yield " && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends \\"
        yield f"    {' '.join(recipe.apt)} \\"
        yield " && rm -rf /var/lib/apt/lists/*"
    if recipe.packed:
        yield f"ADD {PACKED} /opt/"
    elif recipe.image is not None:
        yield from _installed(recipe)
        yield f"COPY {FILES}/ {HOME}/{SCENARIO}/"
    if recipe.program != SYSTEM_PYTHON and not recipe.packed:
        yield f"RUN mkdir -p {HOME}/bin && ln -s {recipe.program} {HOME}/bin/python3"
    yield f"RUN mkdir -p {WORK} && chmod 1777 {WORK}"
    if recipe.in_project:
        yield f"RUN cp -R {HOME}/{SCENARIO} {PROJECT} && chown -R 1000:1000 {PROJECT}"
    yield "ENV " + " \\\n    ".join(f"{name}={_quoted(value)}" for name, value in recipe.variables.items())
    yield f"WORKDIR {PROJECT if recipe.in_project else WORK}"
    yield "USER 1000:1000"
    yield f"CMD {json.dumps(recipe.command)}"


def _installed(recipe: Recipe) -> Iterator[str]:
    """The virtual environment, with exactly the wheels that the cell had."""
    if not recipe.lock:
        return
    yield "# Another index: sh run.sh --build-arg PIP_INDEX_URL=..."
    yield f"# No index, with all wheels in {WHEELS}/: sh run.sh --build-arg PIP_NO_INDEX=1"
    yield f"# A proxy with an authority of its own: its certificate as {WHEELS}/ca.pem, then"
    yield "# sh run.sh --build-arg https_proxy=http://... --build-arg PIP_CERT=/packages/ca.pem"
    yield "ARG PIP_INDEX_URL"
    yield "ARG PIP_CERT"
    yield "ARG PIP_NO_INDEX"
    yield f"COPY {REQUIREMENTS} {WHEELS}/ /packages/"
    pip = f"{VENV}/bin/python3 -m pip install --quiet --no-cache-dir --no-deps --disable-pip-version-check"
    yield f"RUN {recipe.program} -m venv {VENV} \\"
    own = f" \\\n && {pip} {' '.join(f'/packages/{name}' for name in recipe.wheels)}" if recipe.wheels else ""
    yield f" && {pip} --only-binary :all: --require-hashes \\"
    yield f"    --find-links /packages --requirement /packages/{REQUIREMENTS}{own}"


def requirements(lock: PackageLock) -> str:
    """The lock as pip reads it; a wheel that lies at an address is named by that.

    Without source distributions: what was built of them lies in the folder.
    """
    return "".join(_requirement(item) for item in lock.ready)


def _requirement(wheel: LockedWheel) -> str:
    elsewhere = wheel.place if wheel.place and "://" in wheel.place else None
    what = f"{wheel.name} @ {elsewhere}" if elsewhere else f"{wheel.name}=={wheel.version}"
    return f"# {wheel.filename}\n{what} --hash=sha256:{wheel.sha256}\n"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
