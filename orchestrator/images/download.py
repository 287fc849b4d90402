"""One wanted file, fetched by the client of its source: pip, npm, mvn, HTTP, or copied from this host."""

import importlib.util
import shutil
import sys
import threading
from functools import singledispatch
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from orchestrator.adapters import apt, http, process
from orchestrator.adapters.inside import open_regular
from orchestrator.errors import HostError, InputError, Location, TransientError
from orchestrator.images.network import persistently
from orchestrator.model import LocalFile, MavenFile, NpmFile, Pin, PypiFile, UrlFile, Wanted

TIMEOUT: Final = 900
"""Seconds for one file of 100 MB over a slow connection."""
NO_PIP: Final = "install pip beside crashmatrix (`python -m ensurepip`, `uv tool install --with pip`)"
PIP_HINT: Final = "check the network and pip's configuration (index, proxy, certificates), then try again"
NPM_HINT: Final = "install npm where it is missing, or check its registry, proxy and cafile, then try again"
MAVEN_HINT: Final = "install Maven (`apt-get install maven`), or check its settings.xml, then try again"
MAVEN_COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
"""With its version: without one, mvn asks for the newest each time."""
APT_HINT: Final = (
    "run on Debian or a system made from it, or give the file an address in images/catalogue.yaml"
)
WHEEL_TAGS: Final = ("manylinux2014_{}", "manylinux_2_28_{}", "manylinux_2_34_{}")
"""For a wheel whose name is not pinned yet: the platforms of the catalogue's bases, oldest first."""


def obtain(wanted: Wanted, pin: Pin | None, folder: Path, stop: threading.Event) -> Path:
    """Fetch a file into a folder, again where the network failed it; returns where it is.

    A partial download of a file with an address is resumed. `pin` is None if the file is about to be pinned.
    The caller checks the digest. Raises HostError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return persistently(_obtain, stop)(wanted, pin, folder, stop)


@singledispatch
def _obtain(wanted: Wanted, pin: Pin | None, folder: Path, stop: threading.Event) -> Path:
    raise NotImplementedError(wanted)


@_obtain.register
def _(wanted: PypiFile, pin: Pin | None, folder: Path, _stop: threading.Event) -> Path:
    line = f"{wanted.name}=={wanted.version}"
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{line} --hash=sha256:{pin.sha256}\n" if pin else f"{line}\n", encoding="utf-8")
    files = folder / "files"
    process.run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check",
         *(["--require-hashes"] if pin else []), *_platforms(wanted, pin),
         "--dest", str(files), "--requirement", str(requirement)],
        timeout=TIMEOUT, hint=PIP_HINT if importlib.util.find_spec("pip") else NO_PIP,
    )  # fmt: skip
    return _only(files, "pip")


@_obtain.register
def _(wanted: NpmFile, _pin: Pin | None, folder: Path, _stop: threading.Event) -> Path:
    files = folder / "files"
    files.mkdir(exist_ok=True)
    process.run(
        ["npm", "pack", "--loglevel=error", "--ignore-scripts", "--pack-destination", str(files),
         f"{wanted.package}@{wanted.version}"],
        timeout=TIMEOUT, hint=NPM_HINT, cwd=folder,
    )  # fmt: skip
    return _only(files, "npm")


@_obtain.register
def _(wanted: MavenFile, _pin: Pin | None, folder: Path, _stop: threading.Event) -> Path:
    files = folder / "files"
    process.run(
        ["mvn", "--quiet", "--batch-mode", MAVEN_COPY, f"-Dartifact={wanted.artifact}",
         f"-DoutputDirectory={files}"],
        timeout=TIMEOUT, hint=MAVEN_HINT, cwd=folder,
    )  # fmt: skip
    return _only(files, "mvn")


@_obtain.register
def _(wanted: UrlFile, _pin: Pin | None, folder: Path, stop: threading.Event) -> Path:
    urls = [*wanted.urls, *(f"{mirror}pool/{wanted.pool}" for mirror in apt.mirrors() if wanted.pool)]
    if not urls:
        raise HostError(f"{wanted.title} is in Debian's archive only, and apt names no mirror", hint=APT_HINT)
    path = folder / url_filename(urls[0])
    failures: list[HostError] = []
    for url in urls:
        try:
            http.download(url, path, stop)
        except HostError as error:
            failures.append(error)
        else:
            return path
    said = "; ".join(error.what for error in failures)
    passing = any(isinstance(error, TransientError) for error in failures)
    raise (TransientError if passing else HostError)(said, hint=failures[0].hint)


@_obtain.register
def _(wanted: LocalFile, _pin: Pin | None, folder: Path, _stop: threading.Event) -> Path:
    source = Path(wanted.path)
    try:
        with open_regular(source) as content, (folder / source.name).open("wb") as copy:
            shutil.copyfileobj(content, copy)
            return folder / source.name
    except OSError as error:
        raise InputError(
            f"{wanted.title} cannot be read: {error.strerror}",
            where=Location(file=str(source)),
            hint="put the file there, or correct its path in images/catalogue.yaml",
        ) from error


def url_filename(url: str) -> str:
    """The local name of a file with an address."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def _platforms(wanted: PypiFile, pin: Pin | None) -> list[str]:
    """pip's flags for a wheel of a certain architecture, which need not be this host's."""
    if wanted.arch is None:
        return []
    tags = [tag.format(wanted.arch.gnu) for tag in WHEEL_TAGS]
    if pin:
        try:
            tags = sorted({tag.platform for tag in parse_wheel_filename(pin.filename)[3]})
        except InvalidWheelFilename as error:
            raise HostError(
                f"{pin.filename} is no wheel", hint="run `crashmatrix images lock`, or drop its `arch`"
            ) from error
    return ["--only-binary=:all:", *(f"--platform={tag}" for tag in tags)]


def _only(folder: Path, client: str) -> Path:
    """The one file that a client fetched into its folder."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "nothing"
        raise HostError(f"{client} fetched {names} instead of one file", hint="correct images/catalogue.yaml")
    return found[0]
