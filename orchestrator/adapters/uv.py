"""The one place that runs uv, which resolves requirements for any platform and installs wheels.

uv finds indexes, credentials (netrc, keyring), proxies and its cache as it does for its user. What only pip
is told (PIP_* variables, pip.conf) is handed to it where uv is not told otherwise. Of a project's
own settings it gets some (orchestrator/adapters/uv_settings.py).
"""

from __future__ import annotations

__lazy_modules__ = ("uv",)

import configparser
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final

import uv

from orchestrator.adapters import process, uv_settings
from orchestrator.adapters.cache import cache_folder
from orchestrator.adapters.files import write_atomically
from orchestrator.adapters.network import ca_bundle
from orchestrator.errors import ToolError

TIMEOUT: Final = 900
"""Seconds for one call; a first installation fetches hundreds of megabytes over a slow connection."""
HINT: Final = "check the network, the index (UV_DEFAULT_INDEX) and its credentials, then try again"
PIP_TO_UV: Final = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS",),
    "no-index": ("UV_NO_INDEX",),
    "cert": ("SSL_CERT_FILE",),
}
"""pip's settings, and uv's variables of the same meaning: the first is set unless one of them is."""
REFUSED: Final = re.compile(r"\((401|403) ")
"""Part of an error message: an index requires other credentials."""
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s@]+@")
FREE_THREADED: Final = """\
#!{program}
# Answers uv's questions about an interpreter as a free-threaded one would; uv has no option for that ABI.
import sys
import sysconfig

known = sysconfig.get_config_var
sysconfig.get_config_var = lambda name: 1 if name == "Py_GIL_DISABLED" else known(name)
arguments = sys.argv[sys.argv.index("-c") + 1 :]
sys.argv = ["-c", *arguments[1:]]
exec(compile(arguments[0], "<uv>", "exec"), {{"__name__": "__main__"}})
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A finished call of uv: its status, its output, and its error in one line, without credentials."""

    status: int
    text: str
    complaint: str


def run(
    arguments: Sequence[str], *, folder: Path, stdin: str | None = None, free_threaded: bool = False
) -> Answer:
    """Run uv in a folder, for platforms whose interpreter is not here; raises ToolError if it cannot run.

    The interpreter that runs this program answers for what no option tells; uv never fetches another one.
    """
    done = process.run(
        [_program(), *arguments, "--quiet", "--python", _interpreter(free_threaded=free_threaded),
         "--project", str(uv_settings.empty_folder())],
        check=False, timeout=TIMEOUT, hint=HINT, cwd=folder, env=environment(folder),
        stdin=None if stdin is None else stdin.encode(),
    )  # fmt: skip
    return Answer(
        status=done.status, text=done.text, complaint=one_line(done.stderr.decode(errors="replace"))
    )


def one_line(said: str) -> str:
    """uv's error in one line: its causes only, without credentials."""
    lines = [line.strip() for line in without_credentials(said).splitlines()]
    refused = [line.removeprefix("hint:").strip() for line in lines if REFUSED.search(line)]
    told = [line for line in takewhile(lambda line: not line.startswith("hint:"), lines) if line]
    plain = [line for line in told if not line.startswith("warning:")]
    first = next((place for place, line in enumerate(plain) if line.startswith("cause:")), 0)
    words = [line.removeprefix("cause:").removeprefix("error:").strip() for line in plain[first:]]
    conclusion = ", we can conclude that your requirements are unsatisfiable."
    return " ".join([*words, *refused]).replace(conclusion, "")


def without_credentials(text: str) -> str:
    """A text with the user and password of each address in it removed."""
    return _CREDENTIALS.sub("", text)


def _program() -> str:
    try:
        return uv.find_uv_bin()
    except FileNotFoundError as error:
        found = process.find("uv")
        if found:
            return found
        raise ToolError("uv is not installed", hint="install it: `pip install uv`") from error


def _interpreter(*, free_threaded: bool) -> str:
    if not free_threaded:
        return sys.executable
    stand_in = cache_folder("uv") / "free-threaded"
    text = FREE_THREADED.format(program=sys.executable)
    if not stand_in.is_file() or stand_in.read_text(encoding="utf-8") != text:
        write_atomically(stand_in, text)
        stand_in.chmod(0o755)
    return str(stand_in)


def environment(folder: Path) -> dict[str, str]:
    """Variables that uv gets in addition to this process's environment, with those of a folder's project."""
    told = {"UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"}
    bundle = ca_bundle()
    if bundle:
        told["SSL_CERT_FILE"] = str(bundle)
    pip = pip_settings(os.environ)
    for setting, variables in PIP_TO_UV.items():
        if setting in pip and not any(os.environ.get(name) for name in variables):
            told[variables[0]] = pip[setting]
    return told | dict(_of_project(folder, told))


def _of_project(folder: Path, told: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The variables of a project beside those that uv is told; of several values, behind the user's."""
    known = {**os.environ, **told}
    for variable, value in uv_settings.project_variables(folder).items():
        users = known.get(variable) or known.get(uv_settings.OLDER.get(variable, ""))
        between = uv_settings.ADDED.get(variable)
        if not users:
            yield variable, value
        elif between is not None:
            yield variable, f"{users}{between}{value}"


def pip_settings(variables: Mapping[str, str]) -> dict[str, str]:
    """pip's settings for indexes and certificates, from its configuration files and its variables."""
    found: dict[str, str] = {}
    for path in _pip_files(variables):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue  # pip reports it; uv does not read pip's files
        for section in ("global", "install", "download"):
            if parser.has_section(section):
                found |= dict(parser.items(section))
    for setting in PIP_TO_UV:
        value = variables.get(f"PIP_{setting.upper().replace('-', '_')}")
        if value:
            found[setting] = value
    kept = {setting: " ".join(found[setting].split()) for setting in PIP_TO_UV if found.get(setting)}
    if "find-links" in kept:
        kept["find-links"] = ",".join(filter(_is_there, kept["find-links"].split()))
    return {setting: value for setting, value in kept.items() if value}


def _is_there(place: str) -> bool:
    """Whether a location of wheels can be read: pip ignores a missing folder, uv refuses it."""
    return "://" in place or Path(place).expanduser().exists()


def _pip_files(variables: Mapping[str, str]) -> list[Path]:
    """pip's configuration files, the strongest last (pip's user guide, "Configuration")."""
    own = variables.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return []
    home = Path(variables.get("HOME", "/"))
    shared = Path(variables.get("XDG_CONFIG_HOME") or home / ".config")
    usual = [
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        shared / "pip/pip.conf",
        Path(sys.prefix) / "pip.conf",
    ]
    return [*usual, *([Path(own)] if own else [])]
