"""The terminal, as all commands print to it."""

from typing import Final

from rich.console import Console

LOG_WIDTH: Final = 200


def open_console() -> Console:
    """The terminal; elsewhere wide enough that a log's lines and tables are not folded."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=LOG_WIDTH)
