"""The versions and files of a distribution on an index, by the Simple API (PEP 503, PEP 691).

uv resolves and installs. This module finds what uv does not report: the versions, and their wheels.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from orchestrator.adapters import http, uv
from orchestrator.errors import HostError, ToolError

JSON: Final = "application/vnd.pypi.simple.v1+json"
ACCEPT: Final = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class RefusedError(HostError):
    """An index requires other credentials."""


@dataclass(frozen=True, kw_only=True)
class IndexFile:
    """A file of a distribution as an index lists it."""

    filename: str
    version: Version
    requires_python: str | None = None
    yanked: bool = False
    url: str | None = None
    """Where it is, with the index's credentials where it is on the same host; None if that is not said."""
    sha256: str | None = None
    """Its digest, by the index."""

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel; else it is a source distribution."""
        return self.filename.endswith(".whl")


def files_of(name: str, indexes: tuple[str, ...]) -> tuple[IndexFile, ...] | None:
    """The files of a distribution on the first index that has it (uv's `first-index`); None if none has.

    Raises RefusedError where an index refuses, ToolError where it does not answer.
    """
    for index in indexes:
        address = f"{index.rstrip('/')}/{quote(canonicalize_name(name))}/"
        page = http.get(address, ACCEPT)
        if page.status in REFUSED:
            raise RefusedError(
                f"{uv.without_credentials(index)} refuses {name}: {page.status}",
                hint="give credentials as uv reads them: netrc, UV_INDEX_NAME_USERNAME and _PASSWORD",
            )
        if page.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise HostError(f"{uv.without_credentials(index)} answers {page.status}", hint=uv.HINT)
        if page.status == HTTPStatus.OK:
            return tuple(parse(page.text, page.media_type, name, address))
    return None


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """A file as a page lists it; what is no text there is empty."""

    filename: str
    requires_python: str | None
    yanked: bool
    link: str
    sha256: str


def parse(text: str, media_type: str, name: str, address: str = "") -> Iterator[IndexFile]:
    """The wheels and source distributions that a project's page lists; `address` is the page's own."""
    listed = _json(text) if media_type == JSON else _html(text)
    for item in listed:
        version = _version(item.filename, name)
        if version is not None:
            yield IndexFile(
                filename=item.filename,
                version=version,
                requires_python=item.requires_python,
                yanked=item.yanked,
                url=_address(item.link, address),
                sha256=item.sha256 if _SHA256.fullmatch(item.sha256) else None,
            )


def _address(link: str, page: str) -> str | None:
    """The address of a link of a page, with the page's credentials if the link stays on its host."""
    try:
        base, found = urlsplit(page), urlsplit(urljoin(page, link))
        same = (found.scheme, found.hostname, found.port) == (base.scheme, base.hostname, base.port)
    except ValueError:
        return None
    if not link or found.scheme not in ("http", "https"):
        return None
    return found._replace(netloc=base.netloc if same else found.netloc, fragment="").geturl()


def _json(text: str) -> Iterator[_Listed]:
    try:
        files = json.loads(text).get("files", [])
    except (ValueError, AttributeError) as error:
        raise HostError("the index sends no valid JSON", hint=uv.HINT) from error
    for item in files if isinstance(files, list) else ():
        if isinstance(item, dict) and isinstance(item.get("filename"), str):
            requires, hashes = item.get("requires-python"), item.get("hashes")
            yield _Listed(
                filename=item["filename"],
                requires_python=requires if isinstance(requires, str) else None,
                yanked=bool(item.get("yanked")),
                link=_text(item.get("url")),
                sha256=_text(hashes.get("sha256") if isinstance(hashes, dict) else None),
            )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


class _Anchors(HTMLParser):
    """The links of a project's page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[_Listed] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a link's file name and attributes."""
        named = dict(attrs)
        if tag == "a" and named.get("href"):
            link = named["href"] or ""
            parts = urlsplit(link)
            self.found.append(
                _Listed(
                    filename=unquote(parts.path.rpartition("/")[2]),
                    requires_python=named.get("data-requires-python"),
                    yanked="data-yanked" in named,
                    link=link,
                    sha256=parts.fragment.removeprefix("sha256="),
                )
            )


def _html(text: str) -> list[_Listed]:
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


def indexes_of(folder: Path) -> tuple[str, ...]:
    """The addresses of the indexes that uv asks from a folder, in its order, credentials included.

    Raises ToolError where uv's configuration cannot be read.
    """
    done = uv.run(["pip", "compile", "-", "--no-header", "--emit-index-url"], folder=folder, stdin="")
    if done.status != 0:
        raise ToolError(f"uv tells no index: {done.complaint}", hint=uv.HINT)
    lines = [line.split() for line in done.text.splitlines()]
    told = [(line[0], line[1]) for line in lines if len(line) == 2]
    named = dict(_named({**os.environ, **uv.environment(folder)}))
    # uv lists the default index first and uses it last.
    return tuple(named.get(url, url) for _, url in sorted(told, key=lambda one: one[0] == "--index-url"))


def _named(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The addresses that UV_INDEX names, each as it is and with the credentials of UV_INDEX_NAME_*."""
    for word in variables.get("UV_INDEX", "").split():
        name, equals, url = word.partition("=")
        prefix = f"UV_INDEX_{re.sub('[^A-Z0-9]', '_', name.upper())}"
        user, password = variables.get(f"{prefix}_USERNAME"), variables.get(f"{prefix}_PASSWORD", "")
        if equals and user:
            parts = urlsplit(url)
            credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
            yield url, parts._replace(netloc=f"{credentials}@{parts.netloc}").geturl()
