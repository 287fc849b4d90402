"""The keys of a scenario for its application's server: `server`, `requests` and `end`."""

from collections.abc import Iterator
from typing import Final

from orchestrator.adapters.yamlfile import Document
from orchestrator.errors import InputError
from orchestrator.matrix.scenario_file import ScenarioFile
from orchestrator.model import Serving, UserCode
from orchestrator.model.serving import MOST_TEXT
from orchestrator.supervisor.targets import WSGI

KEYS: Final = ("server", "requests", "end")


def serving_of(entry: ScenarioFile, code: UserCode | None) -> Serving | None:
    """How the application is served; None where the scenario has none."""
    if code is None or code.kind != WSGI:
        return None
    return Serving.model_validate({**dict(entry.server), "requests": entry.requests, "end": entry.end})


def serving_errors(document: Document[ScenarioFile], code: UserCode | None) -> Iterator[InputError]:
    """Errors for keys that do not fit the scenario's target."""
    stated = [key for key in KEYS if (key,) in document.nodes]
    if document.broken.intersection(KEYS):
        return
    serving = serving_of(document.value, code)
    if serving is None:
        # A broken `wsgi` has its own error.
        if WSGI not in document.broken:
            for key in stated:
                yield InputError(
                    f"`{key}` belongs to an application",
                    where=document.where(key),
                    hint="name one by `wsgi: module:object`, or remove it",
                )
        return
    if serving.ini and code and serving.ini not in {file.name for file in code.files}:
        yield InputError(
            f"the scenario has no file {serving.ini}",
            where=document.where("server", "ini"),
            hint="create it; where `files` lists the files, add it there",
        )
    if len(serving.plan.encode()) > MOST_TEXT:
        yield InputError(
            f"the requests are longer than {MOST_TEXT:,} bytes in all",
            where=document.where("requests"),
            hint="have the application read what is long from a file of the scenario",
        )
