"""What was built of a package is added to the copy of its sources, and nothing else is."""

import subprocess
import sys
from pathlib import Path

import pytest

BUILT = "file:///wheels/mine-1.0-cp311-cp311-linux_x86_64.whl"
SCRIPT = Path(__file__).parents[2] / "images" / "python" / "inplace.py"
RECORD = """\
mine/__init__.py,sha256=x,1
mine/_fast.cpython-311-x86_64-linux-gnu.so,sha256=x,1
mine/sub/data.bin,,
"mine/a, b.txt",,
spaces/_fast.so,,
native.so,,
other/__init__.py,,
../../../bin/mine,,
mine/../../evil,,
/etc/evil,,
mine-1.0.dist-info/RECORD,,
"""


def complete(
    folder: Path, *, url: str = BUILT, mode: str = "complete", own: tuple[str, ...] = ()
) -> tuple[list[str], dict[str, str]]:
    """What the script says, and the files of the code by their text."""
    packages, code = folder / "venv/lib/python3.11/site-packages", folder / "code"
    info = packages / "mine-1.0.dist-info"
    for path in ("mine/sub", "spaces", "other", info.name):
        (packages / path).mkdir(parents=True)
    for line in RECORD.splitlines()[:7]:
        (packages / line.rpartition(",")[0].rpartition(",")[0].strip('"')).write_text("built")
    (packages.parents[2] / "evil").write_text("evil")
    (info / "RECORD").write_text(RECORD)
    (info / "direct_url.json").write_text(f'{{"url": "{url}", "archive_info": {{}}}}')
    for path in ("mine/__init__.py", "spaces/data.c", "repro.py", *own):
        (code / path).parent.mkdir(parents=True, exist_ok=True)
        (code / path).write_text("source")
    done = subprocess.run(
        [sys.executable, "-IS", SCRIPT, folder / "venv", code, mode],
        capture_output=True,
        text=True,
        check=True,
    )
    files = (path for path in code.rglob("*") if path.is_file())
    return done.stdout.splitlines(), {str(path.relative_to(code)): path.read_text() for path in files}


SOURCES = {"mine/__init__.py": "source", "spaces/data.c": "source", "repro.py": "source"}


def test_a_package_beside_the_script_gets_what_only_the_wheel_has(tmp_path: Path) -> None:
    added = ["mine/_fast.cpython-311-x86_64-linux-gnu.so", "mine/sub/data.bin", "mine/a, b.txt"]
    said, files = complete(tmp_path)
    assert said == added
    assert files == {**SOURCES, **dict.fromkeys(added, "built")}


def test_what_was_built_from_another_commit_replaces_the_sources(tmp_path: Path) -> None:
    said, files = complete(tmp_path, mode="replace")
    assert said[0] == "mine/__init__.py"
    assert files == {**SOURCES, **dict.fromkeys(said, "built")}
    assert len(said) == 4


@pytest.mark.parametrize("url", ["https://e.com/mine-1.0.whl", "file:///home/me/mine-1.0.whl"])
def test_a_wheel_that_was_not_built_here_adds_nothing(tmp_path: Path, url: str) -> None:
    assert complete(tmp_path, url=url) == ([], SOURCES)


@pytest.mark.parametrize(
    ("own", "mode", "said", "files"),
    [
        (
            "mine/sub",
            "complete",
            "mine/sub/data.bin is left out: mine/sub of your code is a file",
            {"mine/sub": "source"},
        ),
        ("mine/sub", "replace", "mine/sub/data.bin", {"mine/sub/data.bin": "built"}),
        ("mine/a, b.txt/own", "replace", "mine/a, b.txt", {"mine/a, b.txt": "built"}),
        ("mine/a, b.txt/own", "complete", None, {"mine/a, b.txt/own": "source"}),
    ],
)
def test_a_file_in_the_place_of_a_folder_breaks_no_image(
    tmp_path: Path, own: str, mode: str, said: str | None, files: dict[str, str]
) -> None:
    lines, there = complete(tmp_path, mode=mode, own=(own,))
    assert said is None or said in lines
    assert {name: there.get(name) for name in files} == files
