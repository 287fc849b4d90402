"""What commands print without rich, for programs and for very many lines."""

import json
import sys
from collections.abc import Iterable

from orchestrator.adapters.visible import visible, visible_json


def write_lines(lines: Iterable[str]) -> None:
    """Print plain text."""
    sys.stdout.writelines(map(visible, lines))


def write_json(pieces: Iterable[str]) -> None:
    """Print JSON."""
    sys.stdout.writelines(map(visible_json, pieces))


def document(data: object) -> str:
    """A value as a JSON document, indented as files of this program are."""
    return json.dumps(data, indent=1) + "\n"


def write_document(data: object) -> None:
    """Print a value as a JSON document."""
    write_json([document(data)])
