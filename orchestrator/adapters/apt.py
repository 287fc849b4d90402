"""apt's own configuration: from where this host takes its packages."""

import re
from typing import Final

from orchestrator.adapters import process
from orchestrator.errors import HostError

TIMEOUT: Final = 30
HINT: Final = "check apt's sources: apt-get update --print-uris"
ARCHIVE: Final = re.compile(r"^'(https?://[^']+/)dists/", re.MULTILINE)


def mirrors() -> tuple[str, ...]:
    """The archives that apt uses here, each ending with a slash; none where there is no apt.

    apt is asked what `apt-get update` would fetch, which it says without the network or any list.
    """
    try:
        listed = process.run(["apt-get", "update", "--print-uris"], timeout=TIMEOUT, hint=HINT)
    except HostError:
        return ()
    return tuple(dict.fromkeys(ARCHIVE.findall(listed.text)))
