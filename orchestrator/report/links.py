"""Texts of a scenario as links."""

import re
from typing import Final
from urllib.parse import quote

from orchestrator.model import Place

_WEB: Final = re.compile(r"https?://[A-Za-z0-9.-]{1,200}(:[0-9]{1,5})?(/[!-~]{0,1000})?")
"""An address with a plain host name, without a user and without anything that is not printable ASCII."""


def file_line(files: str | None, place: Place) -> str | None:
    """The address of a line of the project; None if the run has no address of its files."""
    if not files or ".." in place.file.split("/"):
        return None
    return web(f"{files}{quote(place.file)}" + (f"#L{place.line}" if place.line else ""))


def web(text: str) -> str | None:
    """The text as an address of the web; None where it is something else, such as a script's address."""
    return text if _WEB.fullmatch(text) else None
