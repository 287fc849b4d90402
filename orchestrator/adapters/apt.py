"""apt's configuration: the archives that this host installs packages from."""

import re
from typing import Final

from orchestrator.adapters import process
from orchestrator.errors import HostError

TIMEOUT: Final = 30
HINT: Final = "check apt's sources: apt-get update --print-uris"
ARCHIVE: Final = re.compile(r"^'(https?://[^']+/)dists/", re.MULTILINE)


def mirrors() -> tuple[str, ...]:
    """The archives that apt uses, each ending with a slash; empty on a host without apt.

    They come from the list of what `apt-get update` would fetch, which apt prints without network.
    """
    try:
        listed = process.run(["apt-get", "update", "--print-uris"], timeout=TIMEOUT, hint=HINT)
    except HostError:
        return ()
    return tuple(dict.fromkeys(ARCHIVE.findall(listed.text)))
