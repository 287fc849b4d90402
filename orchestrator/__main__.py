"""`python -m orchestrator` is `crashmatrix`, and this is what the installed command starts."""

import signal
import sys


def run() -> None:
    """Run the command of this process and exit; an interrupt while it is imported, or ends, says nothing."""
    _end_silently()
    from orchestrator.cli import main  # noqa: PLC0415 - the import is what may be interrupted

    status = main()
    _end_silently()
    sys.exit(status)


def _end_silently() -> None:
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    run()
