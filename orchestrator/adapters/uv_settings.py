"""The settings of uv that a project may make: which indexes there are, and which versions are preferred.

uv would take all of its settings from a project's uv.toml or `[tool.uv]`, and projects are untrusted: `group`
names requirements that uv builds on this host, `output-file` and `cache-dir` say where it writes. So uv looks
for its configuration in a folder of this program (`empty_folder`), and gets the settings below by variables.
Names and values: uv's reference, "Settings" and "Environment variables".
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.files import write_atomically
from orchestrator.adapters.inside import read_inside, resolve_inside
from orchestrator.errors import InputError, Location

FILES: Final = ("uv.toml", "pyproject.toml")
"""In a folder with both, uv reads the first alone."""
MAX_BYTES: Final = 1 << 20
DEFAULT_INDEX, INDEX, FIND_LINKS = "UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS"
ADDED: Final = {INDEX: " ", FIND_LINKS: ","}
"""Variables with several values, and what separates these: a project adds to those of the user."""
OLDER: Final = {DEFAULT_INDEX: "UV_INDEX_URL", INDEX: "UV_EXTRA_INDEX_URL"}
"""Names that uv still reads."""
_WORDS: Final = {
    "index-strategy": "UV_INDEX_STRATEGY",
    "prerelease": "UV_PRERELEASE",
    "resolution": "UV_RESOLUTION",
    "exclude-newer": "UV_EXCLUDE_NEWER",
}
"""Settings of one word, or a point in time."""
_WORD: Final = re.compile(r"[\w:.+ -]{1,60}", re.ASCII)
_NAME: Final = re.compile(r"[\w.-]{1,100}", re.ASCII)


def empty_folder() -> Path:
    """A folder in whose empty uv.toml uv ends its search for a project's configuration."""
    folder = cache_folder("uv")
    if not (folder / FILES[0]).is_file():
        write_atomically(folder / FILES[0], "")
    return folder


def project_variables(folder: Path) -> dict[str, str]:
    """The settings that the project of a folder makes, as variables of uv's environment.

    Raises InputError for a file that cannot be read, and for an index that lies outside of the project.
    """
    for place in (folder.absolute(), *folder.absolute().parents):
        for file, table in ((place / name, _table(place / name)) for name in FILES):
            if table is not None:
                return _Settings(file, table).variables()
    return {}


def _table(file: Path) -> Mapping[str, Any] | None:
    """uv's settings in a file; None where there are none."""
    if not file.is_file():
        return None
    try:
        found = tomllib.loads(read_inside(file, file.parent, MAX_BYTES).decode())
    except ValueError as error:
        what = f"not valid TOML: {error}"
        raise InputError(what, where=Location(file=str(file)), hint="correct it") from error
    if file.name == FILES[0]:
        return found
    tool = found.get("tool")
    table = tool.get("uv") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else None


class _Settings:
    """The settings of one file."""

    def __init__(self, file: Path, table: Mapping[str, Any]) -> None:
        self._file, self._where = file, Location(file=str(file))
        pip = table.get("pip")
        # uv's own order: for its pip commands [pip] comes first.
        self._table = {**table, **(pip if isinstance(pip, dict) else {})}

    def variables(self) -> dict[str, str]:
        """Those that a project may make."""
        found: dict[str, list[str]] = {}
        for variable, value in (*self._indexes(), *self._older_indexes()):
            found.setdefault(variable, []).append(value)
        told = {
            variable: ADDED[variable].join(values) if variable in ADDED else values[0]
            for variable, values in found.items()
        }
        for setting, variable in _WORDS.items():
            word = self._table.get(setting)
            if isinstance(word, str) and _WORD.fullmatch(word):
                told[variable] = word
        return told | ({"UV_NO_INDEX": "1"} if self._table.get("no-index") is True else {})

    def _indexes(self) -> Iterator[tuple[str, str]]:
        """Those of [[index]]; an explicit one is for sources alone, which no requirement here has."""
        for index in self._list("index"):
            if not isinstance(index, dict) or index.get("explicit") is True:
                continue
            url, name = self._place(index.get("url")), index.get("name")
            named = f"{name}={url}" if isinstance(name, str) and _NAME.fullmatch(name) else url
            if index.get("format") == "flat":
                yield FIND_LINKS, url
            elif index.get("default") is True:
                yield DEFAULT_INDEX, named
            else:
                yield INDEX, named

    def _older_indexes(self) -> Iterator[tuple[str, str]]:
        if "index-url" in self._table:
            yield DEFAULT_INDEX, self._place(self._table["index-url"])
        for setting, variable in (("extra-index-url", INDEX), ("find-links", FIND_LINKS)):
            for entry in self._list(setting):
                yield variable, self._place(entry)

    def _list(self, setting: str) -> list[Any]:
        value = self._table.get(setting, [])
        return value if isinstance(value, list) else [value]

    def _place(self, entry: object) -> str:
        """An address, or the path of a folder of the project."""
        text = entry if isinstance(entry, str) else ""
        try:
            parts = urlsplit(text)
        except ValueError:
            parts = urlsplit("")
        if not text or re.search(r"[\s,]", text):
            raise InputError(f"{text!r} is no index", where=self._where, hint="write https://HOST/PATH")
        if parts.scheme in ("http", "https"):
            return text
        path = unquote(parts.path) if parts.scheme == "file" else text
        root = self._file.parent
        found = str(resolve_inside(root / path, root, self._where))
        if re.search(r"[\s,]", found):
            what = f"{found!r} has a space or a comma, and uv takes it for several"
            raise InputError(what, where=self._where, hint="rename the folder")
        return found
