"""`python -m orchestrator` is `crashmatrix`, and this is what the installed command starts."""

import os
import signal
import sys


def run() -> None:
    """Run the command of this process and exit; an interrupt while it is imported, or ends, says nothing."""
    _end_silently()
    # Plugins of pydantic are code of others, and the search for them reads the metadata of all distributions.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from orchestrator.cli import main  # noqa: PLC0415 - the import is what may be interrupted

    status = main()
    _end_silently()
    sys.exit(status)


def _end_silently() -> None:
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    run()
