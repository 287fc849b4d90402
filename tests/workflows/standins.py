"""What the stand-ins of GitHub's actions do; each is a composite action under actions/ that calls this file.

They keep what would break a workflow on GitHub: an artifact has one root, no hidden files, no name with
characters that Windows refuses; modes and links are lost; two artifacts of one name in a run conflict.
"""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.workflows.store import Store

REFUSED = set('"<>|*?:\r\n')
ENV = os.environ


def checkout() -> None:
    """The lab's commit, in the empty folder of the job."""
    if ENV["PERSIST"] != "false":
        raise SystemExit("the credentials would stay in .git/config")
    subprocess.run(
        [shutil.which("git") or "git", "clone", "--quiet", ENV["LAB_PROJECT"], "checkout"], check=True
    )
    for path in Path("checkout").iterdir():
        path.rename(path.name)
    Path("checkout").rmdir()
    if f"{ENV.get('KIND')} {ENV.get('SHARD', '').partition('/')[0]}" == ENV.get("LAB_SLOW"):
        with Path(ENV["GITHUB_ENV"]).open("a") as file:
            file.write("DEADLINE=1s\n")  # This machine has no time left.


def upload() -> None:
    """Keep the files of an artifact; the lab's unlucky machine dies here."""
    name, run = ENV["NAME"], int(ENV["GITHUB_RUN_ID"])
    if name == ENV.get("LAB_LOST"):
        raise SystemExit("the runner has received a shutdown signal")
    files = dict(_files(ENV["PATHS"].splitlines()))
    if not files and ENV["NOTHING"] == "error":
        raise SystemExit(f"no files were found: {ENV['PATHS']}")
    if not files:
        print(f"no files were found, no artifact {name}")
        return
    odd = [inside for inside in files if REFUSED.intersection(inside)]
    if odd:
        raise SystemExit(f"the path of an artifact's file is not valid: {odd[0]}")
    Store(Path(ENV["LAB_STORE"])).add_artifact(name, run, files, overwrite=ENV["OVERWRITE"] == "true")
    print(f"artifact {name}: {len(files)} files")


def download() -> None:
    """Bring one artifact of this run here, or all that match."""
    store, run, into = Store(Path(ENV["LAB_STORE"])), int(ENV["GITHUB_RUN_ID"]), Path(ENV["INTO"])
    if ENV["NAME"]:
        if ENV["NAME"] not in store.names(run):
            raise SystemExit(f"unable to find an artifact with the name {ENV['NAME']}")
        store.unpack(ENV["NAME"], run, into)
        return
    for name in fnmatch.filter(store.names(run), ENV["PATTERN"]):
        store.unpack(name, run, into if ENV["MERGE"] == "true" else into / name)
        print(f"artifact {name}")


def _files(patterns: list[str]) -> Iterator[tuple[str, Path]]:
    """The files of an artifact by their paths in it. Workflows here name one root, and what is left out."""
    wanted = [line.strip() for line in patterns if line.strip() and not line.startswith("!")]
    left_out = [os.path.normpath(line.strip()[1:]) for line in patterns if line.startswith("!")]
    if len(wanted) != 1:
        raise SystemExit("the stand-in knows artifacts of one root only")
    root = Path(wanted[0])
    for file in [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file()):
        hidden = any(part.startswith(".") for part in file.parts)
        if not hidden and not any(_matches(file, pattern) for pattern in left_out):
            yield (file.name if file == root else str(file.relative_to(root))), file


def _matches(file: Path, pattern: str) -> bool:
    """Whether a pattern of @actions/glob names a file: `**` stands for any folders, `*` for no `/`."""
    parts = (
        "(?:.*/)?" if part == "**/" else "[^/]*" if part == "*" else re.escape(part)
        for part in re.split(r"(\*\*/|\*)", pattern.removesuffix("/**"))
    )
    known = re.compile("".join(parts))
    return any(known.fullmatch(str(path)) for path in (file, *file.parents))


if __name__ == "__main__":
    {"checkout": checkout, "upload": upload, "download": download}[sys.argv[1]]()
