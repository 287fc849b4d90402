"""What an index has of a distribution: versions and files, by the Simple API (PEP 503, PEP 691).

uv resolves and installs. This asks for what uv does not tell: which versions there are, and which wheels.
"""

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from orchestrator.adapters import http, uv
from orchestrator.errors import HostError

PYPI: Final = "https://pypi.org/simple"
JSON: Final = "application/vnd.pypi.simple.v1+json"
ACCEPT: Final = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, kw_only=True)
class IndexFile:
    """A file of a distribution as an index lists it."""

    filename: str
    version: Version
    requires_python: str | None = None
    yanked: bool = False

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel; else it is a source distribution."""
        return self.filename.endswith(".whl")


def files_of(name: str, indexes: tuple[str, ...]) -> tuple[IndexFile, ...] | None:
    """The files of a distribution on the first index that has it (uv's `first-index`); None if none has.

    Raises HostError where an index refuses, ToolError where it does not answer.
    """
    for index in indexes:
        page = http.get(f"{index.rstrip('/')}/{quote(canonicalize_name(name))}/", ACCEPT)
        if page.status in REFUSED:
            raise HostError(
                f"{uv.without_credentials(index)} refuses {name}: {page.status}",
                hint="give credentials as uv reads them: netrc, UV_INDEX_NAME_USERNAME and _PASSWORD",
            )
        if page.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise HostError(f"{uv.without_credentials(index)} answers {page.status}", hint=uv.HINT)
        if page.status == HTTPStatus.OK:
            return tuple(parse(page.text, page.media_type, name))
    return None


def parse(text: str, media_type: str, name: str) -> Iterator[IndexFile]:
    """The wheels and source distributions that a project's page lists."""
    listed = _json(text) if media_type == JSON else _html(text)
    for filename, requires_python, yanked in listed:
        version = _version(filename, name)
        if version is not None:
            yield IndexFile(
                filename=filename, version=version, requires_python=requires_python, yanked=yanked
            )


def _json(text: str) -> Iterator[tuple[str, str | None, bool]]:
    try:
        files = json.loads(text).get("files", [])
    except (ValueError, AttributeError) as error:
        raise HostError("the index sends no valid JSON", hint=uv.HINT) from error
    for item in files if isinstance(files, list) else ():
        if isinstance(item, dict) and isinstance(item.get("filename"), str):
            requires = item.get("requires-python")
            yield item["filename"], requires if isinstance(requires, str) else None, bool(item.get("yanked"))


class _Anchors(HTMLParser):
    """The links of a project's page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str | None, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a link's file name and attributes."""
        named = dict(attrs)
        if tag == "a" and named.get("href"):
            filename = unquote(urlsplit(named["href"] or "").path.rpartition("/")[2])
            self.found.append((filename, named.get("data-requires-python"), "data-yanked" in named))


def _html(text: str) -> list[tuple[str, str | None, bool]]:
    anchors = _Anchors()
    anchors.feed(text)
    return anchors.found


def _version(filename: str, name: str) -> Version | None:
    """The version in a file's name; None if it is no file of the distribution that can be installed."""
    try:
        if filename.endswith(".whl"):
            found, version, *_ = parse_wheel_filename(filename)
        else:
            found, version = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
    return version if found == canonicalize_name(name) else None


def indexes_of(folder: Path, variables: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The addresses of the indexes that uv asks from a folder, in its order, credentials included."""
    told = {**uv.environment(), **variables}
    if told.get("UV_NO_INDEX"):
        return ()
    extra = [*_addresses(told, "UV_INDEX"), *_addresses(told, "UV_EXTRA_INDEX_URL")]
    default = [*_addresses(told, "UV_DEFAULT_INDEX"), *_addresses(told, "UV_INDEX_URL")]
    for settings in _settings(folder, told):
        listed = [item for item in _list(settings, "index") if isinstance(item, dict) and "url" in item]
        extra += [str(item["url"]) for item in listed if not item.get("default") and not item.get("explicit")]
        extra += map(str, _list(settings, "extra-index-url"))
        default += [str(item["url"]) for item in listed if item.get("default")]
        default += [str(settings["index-url"])] if "index-url" in settings else []
    return tuple(dict.fromkeys([*extra, (default or [PYPI])[0]]))


def _list(settings: Mapping[str, object], name: str) -> list[object]:
    found = settings.get(name)
    return found if isinstance(found, list) else []


def _addresses(told: Mapping[str, str], variable: str) -> list[str]:
    """The addresses in a variable, NAME=URL too, with the credentials that UV_INDEX_NAME_* have for those."""
    found = []
    for word in told.get(variable, "").split():
        name, equals, url = word.partition("=")
        if not equals or "/" in name:
            found.append(word)
            continue
        prefix = f"UV_INDEX_{name.upper().replace('-', '_').replace('.', '_')}"
        user, password = told.get(f"{prefix}_USERNAME"), told.get(f"{prefix}_PASSWORD", "")
        parts = urlsplit(url)
        if user and "@" not in parts.netloc:
            credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
            url = parts._replace(netloc=f"{credentials}@{parts.netloc}").geturl()
        found.append(url)
    return found


def _settings(folder: Path, told: Mapping[str, str]) -> Iterator[dict[str, object]]:
    """uv's configuration files, the strongest first: the project's, the user's, the system's."""
    for place in (folder, *folder.parents):
        own = _toml(place / "uv.toml")
        project = _toml(place / "pyproject.toml").get("tool", {})
        found = own or (project.get("uv") if isinstance(project, dict) else None)
        if isinstance(found, dict) and found:
            yield _pip_table(found)
            break
    home = Path(told.get("XDG_CONFIG_HOME") or Path(told.get("HOME", "/")) / ".config")
    for path in (home / "uv/uv.toml", Path("/etc/uv/uv.toml")):
        yield _pip_table(_toml(path))


def _pip_table(settings: dict[str, object]) -> dict[str, object]:
    """Settings with those of uv's table `pip` in them, which are `uv pip`'s own."""
    own = settings.get("pip")
    return {**settings, **own} if isinstance(own, dict) else settings


def _toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # uv says what is wrong with it
