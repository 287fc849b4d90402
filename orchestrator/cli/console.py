"""The terminal that all commands print to; untrusted text cannot control it."""

from typing import Final

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from orchestrator.adapters.visible import on_one_line, visible

LOG_WIDTH: Final = 200


class _Harmless(RenderHook):
    """Escapes control characters in what is printed: logs, output, names and reasons are untrusted."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """All that is printed, without escape sequences but those of its styles."""
        return [_Visible(item) for item in renderables]


class _Visible:
    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def open_console(*, stderr: bool = False) -> Console:
    """The terminal; a file or a pipe gets a width at which lines and tables are not folded."""
    console = Console(highlight=False, stderr=stderr)
    if not console.is_terminal:
        console = Console(highlight=False, stderr=stderr, width=LOG_WIDTH)
    console.push_render_hook(_Harmless())
    return console


def complain(text: str) -> None:
    """Print one line of error to stderr."""
    open_console(stderr=True).print(f"crashmatrix: {on_one_line(text)}", markup=False, soft_wrap=True)


def say(text: str) -> None:
    """Print text that a terminal folds and a file keeps in its lines."""
    open_console().print(text, highlight=False, markup=False, soft_wrap=True)
