"""Stand-in of `gh`: artifacts and issues of the lab. It keeps each call."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from tests.workflows.store import Store

STORE = Store(Path(os.environ["LAB_STORE"]))


def main(words: list[str]) -> None:
    """Answer one call, as gh prints it."""
    if not os.environ.get("GH_TOKEN"):
        raise SystemExit(
            "gh: To use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN environment variable."
        )
    STORE.record(words)
    match words:
        case ["api", path]:
            print(json.dumps(_artifacts(path)))
        case ["run", "download", run, "--name", name, "--dir", folder]:
            if name not in STORE.names(int(run)):
                raise SystemExit(f"no artifact matches any of the names: {name}")
            STORE.unpack(name, int(run), Path(folder))
        case ["label", "create", _, *_]:
            with STORE.state() as known:
                known["label"] = True
        case ["issue", "list", *_]:
            print(json.dumps([_shown(item) for item in STORE.issues()]))
        case ["issue", "create", "--label", label, "--title", title, "--body-file", "-"]:
            _create(label, title)
        case ["issue", "edit", number, "--title", title, "--body-file", "-"]:
            _change(number, title=title, body=sys.stdin.read())
        case ["issue", "close", number, "--reason", "completed", "--comment", comment]:
            _change(number, state="CLOSED", stateReason="COMPLETED", comment=comment)
        case ["issue", "reopen", number, "--comment", comment]:
            _change(number, state="OPEN", stateReason="REOPENED", comment=comment)
        case _:
            raise SystemExit(f"gh: the stand-in does not know: {words}")


def _artifacts(path: str) -> dict[str, Any]:
    """As the API lists them, newest first."""
    asked = re.fullmatch(r"repos/\{owner\}/\{repo\}/actions/artifacts\?per_page=100&name=([\w-]+)", path)
    if asked is None:
        raise SystemExit(f"gh: the stand-in does not know: {path}")
    found = [item for item in STORE.read()["artifacts"] if item["name"] == asked[1]]
    return {
        "total_count": len(found),
        "artifacts": [
            {
                "id": item["id"],
                "name": item["name"],
                "expired": False,
                "workflow_run": {
                    "id": item["run"],
                    "repository_id": 42,
                    "head_repository_id": item["repository"],
                    "head_branch": "main",
                },
            }
            for item in reversed(found)
        ],
    }


def _shown(issue: dict[str, Any]) -> dict[str, Any]:
    shown = {name: issue[name] for name in ("number", "state", "stateReason", "title")}
    return shown | {"body": issue["body"].replace("\n", "\r\n")}


def _create(label: str, title: str) -> None:
    with STORE.state() as known:
        if not known.get("label"):
            raise SystemExit(f"could not add label: '{label}' not found")
        number = 1 + len(known["issues"])
        issue = {"number": number, "state": "OPEN", "stateReason": "", "title": title, "comments": []}
        known["issues"].append(issue | {"body": sys.stdin.read()})
        print(f"https://github.invalid/lab/lab/issues/{number}")


def _change(number: str, comment: str | None = None, **values: str) -> None:
    with STORE.state() as known:
        (issue,) = (item for item in known["issues"] if item["number"] == int(number))
        issue.update(values)
        issue["comments"] += [comment] if comment else []


if __name__ == "__main__":
    main(sys.argv[1:])
