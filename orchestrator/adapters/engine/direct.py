"""One question to the engine over its Unix socket without the SDK, whose import takes longer than the answer.

Every other kind of endpoint, and every answer but the expected one, is for the SDK, which has the errors.
"""

import http.client
import json
import socket
from contextlib import closing, suppress
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from orchestrator.adapters.engine.connection import UNIX, endpoints, refusal

TIMEOUT: Final = 30
"""Seconds; an engine that takes longer is asked again by the SDK, which waits for it."""
LONGEST: Final = 4 << 20
"""Bytes of an answer that are read; an image's description has some kilobytes."""


class _OverUnix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


def image_id(name: str) -> str | None:
    """The id of an image; None where the SDK has to be asked."""
    endpoint = next((place for place in endpoints() if not refusal(place)), "")
    if not name or not endpoint.startswith(f"{UNIX}/"):
        return None
    with (
        suppress(OSError, ValueError, http.client.HTTPException),
        closing(_OverUnix(endpoint.removeprefix(UNIX))) as connection,
    ):
        connection.request("GET", f"/images/{quote(name, safe='/:')}/json")
        answer = connection.getresponse()
        if answer.status == HTTPStatus.OK:
            found = json.loads(answer.read(LONGEST))
            return str(found["Id"]) if isinstance(found, dict) and "Id" in found else None
    return None
