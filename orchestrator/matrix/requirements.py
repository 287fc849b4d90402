"""Requirements as pip reads them: a list in a scenario, or a file with comments, -r, markers and hashes."""

__lazy_modules__ = ("packaging",)

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

from packaging import requirements, utils

from orchestrator.adapters.inside import read_inside, resolve_inside
from orchestrator.adapters.yamlfile import shown
from orchestrator.errors import ErrorList, InputError, Location

MAX_BYTES: Final = 1 << 20
"""Bytes of a requirements file; a lock of 500 packages with all their hashes has about half of it."""
_COMMENT: Final = re.compile(r"(^|\s+)#.*$")
"""As pip removes comments (pip/_internal/req/req_file.py)."""
_OPTION: Final = re.compile(r"\s--?[A-Za-z]")
_HASH: Final = re.compile(r"--hash[=\s](sha(?:256|384|512):[0-9a-f]{64,128})(?:\s+|$)")
_INCLUDE: Final = re.compile(r"(?:-r\s*|--requirement[\s=]\s*)(\S.*)")
WHEEL: Final = ".whl"
LONGEST: Final = 80
"""Characters of a requirement that an error shows."""
YAML: Final = ".yaml"
INDENT: Final = 4
"""Columns before the requirement in packaging's error messages."""
_ARCHIVES: Final = (WHEEL, ".tar.gz", ".zip")
_BREAKS: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
"""Line breaks and control characters: in an address they would be another line for uv, such as a path."""
_FLAG: Final = re.compile(r"--?[A-Za-z][A-Za-z-]*")
_INDEX: Final = "configure the index as for uv: UV_INDEX_URL, UV_EXTRA_INDEX_URL or pip.conf"
_VALUE: Final = f"write the value; {_INDEX}"
_REFUSED: Final = {
    "-e": "name the package's folder by `source:`",
    "--editable": "name the package's folder by `source:`",
    "-c": "write the constraint at the requirement itself",
    "--constraint": "write the constraint at the requirement itself",
    **dict.fromkeys(("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index"), _INDEX),
    "--trusted-host": _INDEX,
}
"""Options of a requirements file that a project sets elsewhere."""


def parse_requirement(text: str, where: Location) -> str:
    """One requirement as PEP 508 writes it, followed by its --hash options; raises InputError."""
    if _BREAKS.search(text):
        _refuse(f"{text[:LONGEST]!r} is not one line", where, "write each requirement by itself")
    if flag := _FLAG.match(text):
        hint = _REFUSED.get(flag[0], "remove it; what is read is NAME, a version, a marker, --hash and -r")
        _refuse(f"the option {flag[0]} is not supported", where, hint)
    if "${" in text:
        _refuse(f"{_without_credentials(text)[:80]!r}: variables are not expanded", where, _VALUE)
    options = _OPTION.search(text)
    plain, rest = (text[: options.start()], text[options.start() :].strip()) if options else (text, "")
    requirement = _requirement(plain.strip(), where)
    hashes = _HASH.findall(rest)
    if left := _HASH.sub("", rest).strip():
        _refuse(f"{left[:80]!r} is not supported behind a requirement", where, "only --hash=sha256:... is")
    return " ".join([str(requirement), *(f"--hash={value}" for value in hashes)])


def _requirement(text: str, where: Location) -> "requirements.Requirement":
    shown_text = repr(_without_credentials(text)[:80])
    if "@" not in text and (text.startswith((".", "/")) or text.endswith(_ARCHIVES)) and "://" not in text:
        _refuse(f"{shown_text} is a path, not a requirement", where, "name a package's folder by `source:`")
    try:
        requirement = requirements.Requirement(text)
    except requirements.InvalidRequirement as error:
        if "://" in text:
            _refuse(f"{shown_text} is an address without a name", where, "write NAME @ https://...")
        said = str(error).splitlines()[0]
        place = _behind(where, error)
        _refuse(f"{shown_text} is not a requirement: {said}", place, "write for example flask>=3.0")
    if requirement.url:
        _check_url(requirement.name, requirement.url, where)
    return requirement


def _behind(where: Location, error: "requirements.InvalidRequirement") -> Location:
    """Where a requirement that begins at `where` stops being one: packaging points there with a caret.

    In YAML quotes may stand before it, so there the place is its begin.
    """
    mark = str(error).rpartition("\n")[2].find("^") - INDENT
    if where.column is None or mark < 0 or where.file.endswith(YAML):
        return where
    return replace(where, column=where.column + mark)


def _check_url(name: str, url: str, where: Location) -> None:
    """Refuse addresses that are no plain download: version control, local files, and credentials."""
    try:
        parts = urlsplit(url)
        secret = parts.username is not None or parts.password is not None
    except ValueError:
        _refuse(f"the address of {name} is not valid", where, "write https://HOST/PATH")
    if parts.scheme not in ("https", "http") or not parts.netloc:
        scheme = parts.scheme or "a path"
        _refuse(f"{name} is to be had by {scheme}", where, "name an https address, or a folder by `source:`")
    if secret:
        _refuse(f"the address of {name} has a user or a password in it", where, "put them into ~/.netrc")


def _without_credentials(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """Reads requirements of a project, whose folder `project` must be resolved; mistakes go to `errors`."""

    project: Path
    errors: ErrorList
    places: dict[str, Location] = field(default_factory=dict)
    """Where each requirement that was read is written first."""

    def listed(self, entry: str, folder: Path, where: Location) -> Iterator[str]:
        """Those of an entry in a list: one, or with -r those of a file. Paths are relative to `folder`."""
        yield from self._each(entry.strip(), folder, where, within=())

    def of_file(self, path: Path, where: Location, within: tuple[Path, ...] = ()) -> Iterator[str]:
        """Those of a file that is named at `where`, in the files `within`; raises InputError for no file."""
        if path.resolve() in within:
            _refuse(f"{path.name!r} includes itself", where, "remove the line")
        raw = read_inside(path, self.project, MAX_BYTES, where)
        file = shown(path)
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            _refuse("the file is not UTF-8 text", Location(file=file, line=line), "save it as UTF-8")
        lines = text.splitlines()
        for number, content in logical_lines(text):
            first = lines[number - 1]
            place = Location(file=file, line=number, column=len(first) - len(first.lstrip()) + 1)
            yield from self._each(content, path.parent, place, within=(*within, path.resolve()))

    def _each(self, content: str, folder: Path, where: Location, within: tuple[Path, ...]) -> Iterator[str]:
        with self.errors.collect():
            include = _INCLUDE.fullmatch(content)
            if include and "://" in include[1]:
                _refuse("a requirements file is not fetched", where, "download it into the project")
            if include:
                yield from self.of_file(folder / include[1].strip(), where, within)
            elif content.endswith(WHEEL) and "://" not in content:
                yield self._placed(self._wheel(content, folder, where), where)
            else:
                yield self._placed(parse_requirement(content, where), where)

    def _placed(self, requirement: str, where: Location) -> str:
        self.places.setdefault(requirement, where)
        return requirement

    def _wheel(self, content: str, folder: Path, where: Location) -> str:
        """The path of a wheel file of the project; no part of it is a link, and it lies nowhere else."""
        path = folder / content
        found = resolve_inside(path, self.project, where)
        if found != self.project / os.path.relpath(path, self.project):
            _refuse(f"{content[:LONGEST]!r} is reached by a link", where, "name the file that it leads to")
        try:
            utils.parse_wheel_filename(found.name)
        except utils.InvalidWheelFilename as error:
            _refuse(str(error).splitlines()[0], where, "give the wheel the name that it was built with")
        return str(found)


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments and with their continuations, each with its first line's number from 1.

    As pip joins them: a backslash at the end of a line continues it, and a comment ends what is continued.
    """
    parts: list[str] = []
    start = 1
    for number, line in enumerate(text.splitlines(), 1):
        start = start if parts else number
        comment = re.match(r"\s*#", line) is not None
        if line.endswith("\\") and not comment:
            parts.append(line.strip("\\"))
            continue
        joined = _COMMENT.sub("", "".join([*parts, " " + line if comment else line])).strip()
        parts = []
        if joined:
            yield start, joined
    if parts and (joined := _COMMENT.sub("", "".join(parts)).strip()):
        yield start, joined


def _refuse(what: str, where: Location, hint: str) -> NoReturn:
    raise InputError(what, where=where, hint=hint)
