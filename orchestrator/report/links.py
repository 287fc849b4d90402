"""Links that texts of a scenario may become."""

import re
from typing import Final

_WEB: Final = re.compile(r"https?://[A-Za-z0-9.-]{1,200}(:[0-9]{1,5})?(/[!-~]{0,1000})?")
"""An address with a plain host name, without a user and without anything that is not printable ASCII."""


def web(text: str) -> str | None:
    """The text as an address of the web; None where it is something else, such as a script's address."""
    return text if _WEB.fullmatch(text) else None
