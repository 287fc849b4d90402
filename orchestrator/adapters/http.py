"""The only module that downloads by HTTP: one attempt for one file, resumed from a partial download."""

from __future__ import annotations

__lazy_modules__ = ("requests",)

import re
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

import requests

from orchestrator.adapters.network import ca_bundle
from orchestrator.errors import HostError, ToolError, TransientError

CONNECT_TIMEOUT: Final = 10
READ_TIMEOUT: Final = 60
"""Seconds without a byte: a slow connection is accepted, a dead one is not."""
CHUNK: Final = 1 << 16
HINT: Final = "check the network, the proxy variables (https_proxy) and the CA bundle (SSL_CERT_FILE)"
LARGEST: Final = 4 << 30
"""Bytes of a download: the largest that is pinned, a compiler, has 150 MB; a wheel may have 2 GB."""
LARGEST_PAGE: Final = 128 << 20
"""Bytes of a page: an index has 20 MB of a package with thousands of files."""
PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


def download(url: str, path: Path, stop: threading.Event) -> None:
    """Download a URL to a file; a partial download at `path` is resumed.

    Proxies come from the environment, certificate authorities from the host's bundle. Raises TransientError
    if another attempt may succeed (the partial download is kept), HostError if the server refuses, or sends
    more than LARGEST bytes.
    """
    have = path.stat().st_size if path.exists() else 0
    # identity: a server that compresses the answer counts the range in compressed bytes.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    bundle = ca_bundle()
    try:
        with requests.get(
            url,
            headers=headers,
            stream=True,
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            verify=str(bundle) if bundle else True,
        ) as answer:
            _take(answer, path, have, stop)
    except requests.exceptions.RequestException as error:
        raise TransientError(f"{shown(url)} could not be fetched: {_cause(error)}", hint=HINT) from error


def fetch(url: str, target: IO[bytes], *, limit: int, seconds: float) -> bool:
    """Write a file that a server has to `target`; False where it answers 404.

    Raises TransientError where no whole answer comes within `seconds`, HostError where the server refuses,
    or the file has more than `limit` bytes.
    """
    bundle, end = ca_bundle(), time.monotonic() + seconds
    try:
        with requests.get(
            url, stream=True, headers={"Accept-Encoding": "identity"},
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT), verify=str(bundle) if bundle else True,
        ) as answer:  # fmt: skip
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return False
            if answer.status_code != HTTPStatus.OK:
                raise HostError(f"{shown(url)} answered {answer.status_code} {answer.reason}", hint=HINT)
            for chunk in answer.iter_content(CHUNK):
                limit -= target.write(chunk)
                if limit < 0:
                    raise HostError(f"{shown(url)} is larger than any real file of its kind", hint=HINT)
                if time.monotonic() > end:
                    raise TransientError(f"{shown(url)} took more than {seconds:.0f} s", hint=HINT)
    except requests.exceptions.RequestException as error:
        raise TransientError(f"{shown(url)} could not be fetched: {_cause(error)}", hint=HINT) from error
    return True


def shown(url: str) -> str:
    """A URL without the credentials that it may have."""
    return urlsplit(url)._replace(netloc=urlsplit(url).netloc.rpartition("@")[2]).geturl()


def answers(url: str, seconds: float) -> bool:
    """Whether a server answers within `seconds` with any status below 500."""
    bundle = ca_bundle()
    try:
        with requests.get(
            url, stream=True, timeout=seconds, verify=str(bundle) if bundle else True
        ) as answer:
            return answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    except requests.exceptions.RequestException:
        return False


@dataclass(frozen=True, kw_only=True)
class Page:
    """The answer to a request: its status, its media type without parameters, and its text."""

    status: int
    media_type: str
    text: str


def get(url: str, accept: str) -> Page:
    """Fetch a page, whatever its status; raises TransientError if no whole answer comes.

    Raises HostError for one without end. Credentials come from the URL, else from netrc. No error names them.
    """
    bundle = ca_bundle()
    try:
        with requests.get(
            url,
            stream=True,
            headers={"Accept": accept},
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            verify=str(bundle) if bundle else True,
        ) as answer:
            media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            return Page(status=answer.status_code, media_type=media_type, text=_text(answer))
    except requests.exceptions.RequestException as error:
        raise TransientError(f"{shown(url)} could not be fetched: {_cause(error)}", hint=HINT) from error


def _take(answer: requests.Response, path: Path, have: int, stop: threading.Event) -> None:
    if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
        if answer.headers.get("Content-Range", "").endswith(f"/{have}"):
            return
        path.unlink()
        raise TransientError(f"{shown(answer.url)} is shorter than the partial download of it", hint=HINT)
    if answer.status_code >= HTTPStatus.BAD_REQUEST:
        passing = answer.status_code in PASSING or answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        kind = TransientError if passing else HostError
        raise kind(f"{shown(answer.url)} answered {answer.status_code} {answer.reason}", hint=HINT)
    goes_on = _goes_on(answer, have)
    room = LARGEST - (have if goes_on else 0)
    with path.open("ab" if goes_on else "wb") as out:
        for chunk in answer.iter_content(CHUNK):
            if stop.is_set():
                raise ToolError("stopped", hint="start again")
            room -= out.write(chunk)
            if room < 0:
                out.truncate(0)  # nobody resumes it
                raise HostError(f"{shown(answer.url)} is larger than {LARGEST >> 30} GiB", hint=HINT)


def _text(answer: requests.Response) -> str:
    """The text of an answer; raises HostError for one without end."""
    content = bytearray()
    for chunk in answer.iter_content(CHUNK):
        content += chunk
        if len(content) > LARGEST_PAGE:
            raise HostError(f"{shown(answer.url)} is larger than any page of an index", hint=HINT)
    return content.decode(errors="replace")  # PEP 691 wants UTF-8, and names of files are ASCII


def _goes_on(answer: requests.Response, have: int) -> bool:
    """Whether the answer starts where the partial download ends; a server may also send the whole file."""
    start = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return answer.status_code == HTTPStatus.PARTIAL_CONTENT and start is not None and int(start[1]) == have


def _cause(error: BaseException) -> str:
    """The message of the innermost cause: requests wraps urllib3's errors, which wrap the socket's."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__
