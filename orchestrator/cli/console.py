"""The terminal, as all commands print to it."""

from typing import Final

from rich.console import Console

LOG_WIDTH: Final = 200


def open_console() -> Console:
    """The terminal; a file or a pipe gets a width at which lines and tables are not folded."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=LOG_WIDTH)


def complain(text: str) -> None:
    """Print one line of error to stderr."""
    Console(stderr=True, highlight=False).print(f"crashmatrix: {text}", markup=False, soft_wrap=True)
