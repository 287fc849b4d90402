"""Wheels that want to write outside of their environment, or to take all memory of the host."""

import base64
import hashlib
import io
import stat
import tarfile
import threading
import tracemalloc
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import pytest

from orchestrator.errors import ToolError
from orchestrator.images import context, wheels
from orchestrator.model import Arch, ContextFile, ImageKind, ImageSpec, LockedWheel, PackageLock, WheelTree
from tests.unit.test_packages import platform

SECRET: Final = "what no package may read"
UP: Final = "../" * 20
LINK, DEVICE, PIPE = stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o666, stat.S_IFIFO | 0o666
Members = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Evil:
    """What a wheel `evil` has beside its own files; `{out}` is a folder that is no package's."""

    members: Members
    modes: Mapping[str, int]


def evil(*members: tuple[str, str], **modes: int) -> Evil:
    return Evil(members, modes)


CASES: Final = {
    "a way up": evil((f"{UP}{{out}}/new", "x")),
    "an absolute path": evil(("{out}/new", "x")),
    "a way up in data": evil((f"evil-1.0.data/data/{UP}{{out}}/new", "x")),
    "a way up in scripts": evil((f"evil-1.0.data/scripts/{UP}{{out}}/new", "#!python\n")),
    "a way up in place of a kind": evil((f"evil-1.0.data/{UP}{{out}}/new", "x")),
    "a link to a file": evil(("link", "{out}/secret"), link=LINK),
    "a link to a folder": evil(("link", "{out}"), ("link/new", "x"), link=LINK),
    "a device": evil(("device", ""), device=DEVICE),
    "a pipe": evil(("pipe", ""), pipe=PIPE),
    "rights of another": evil(("file", "x"), file=stat.S_IFREG | 0o6777),
    "one name twice": evil(("twice.py", "1"), ("twice.py", "2")),
    "names that differ by case": evil(("Name.py", "1"), ("name.py", "2")),
    "a file and a folder": evil(("both", "1"), ("both/x", "2")),
    "backslashes": evil(("a\\..\\..\\new", "x")),
    "control characters": evil(("a\nb\x1b[2J.py", "x")),
    "a script with a way up": evil(
        ("evil-1.0.dist-info/entry_points.txt", f"[console_scripts]\n{UP}{{out}}/new = evil:main\n")
    ),
    "a script that is code": evil(
        ("evil-1.0.dist-info/entry_points.txt", "[console_scripts]\nx = evil:main; print(1)\n")
    ),
    "a script in place of the interpreter": evil(("evil-1.0.data/scripts/python3", "#!/bin/sh\n")),
    "a file in place of the interpreter": evil(("evil-1.0.data/data/bin/python3", "x")),
}


def wheel(folder: Path, what: Evil, out: Path) -> LockedWheel:
    path = folder / "evil-1.0-py3-none-any.whl"
    files = [
        ("evil.py", ""),
        ("evil-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n"),
        ("evil-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        *((name.format(out=out), text.format(out=out)) for name, text in what.members),
    ]
    record = "".join(f'"{name}",sha256={_record_digest(text)},{len(text)}\n' for name, text in files)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one name twice
        for name, text in (*files, ("evil-1.0.dist-info/RECORD", record)):
            info = zipfile.ZipInfo(name)
            info.external_attr = what.modes.get(name, stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return LockedWheel(name="evil", version="1.0", filename=path.name, sha256=digest, place=str(path))


def _record_digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def spec(locked: LockedWheel, folder: Path) -> ImageSpec:
    """An image whose context has one wheel."""
    tree = WheelTree(
        lock=PackageLock(wheels=(locked,)), platform=platform("3.11.2", "2.36"), folder=str(folder)
    )
    file = ContextFile(name="venv", sha256="0" * 64, wheels=tree)
    return ImageSpec(
        role="cell", kind=ImageKind.DOCKERFILE, arch=Arch.X86_64, text="FROM x\n", files=(file,), key="0" * 64
    )


def members(sent: bytes) -> list[tarfile.TarInfo]:
    if not sent:
        return []
    with tarfile.open(fileobj=io.BytesIO(sent)) as tar:
        return tar.getmembers()


def sent_with(image: ImageSpec) -> bytes:
    """What the engine gets; nothing where uv refuses the wheel, in one line."""
    sent = io.BytesIO()
    with suppress(ToolError):
        context.write(image, sent, threading.Event())
        return sent.getvalue()
    with pytest.raises(ToolError, match=r"^uv cannot install the packages: [^\n]+$"):
        context.write(image, io.BytesIO(), threading.Event())
    return b""


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("case", CASES)
def test_a_wheel_has_files_below_its_environment_alone(case: str, tmp_path: Path) -> None:
    out, place = tmp_path / "out", tmp_path / "wheels"
    out.mkdir()
    place.mkdir()
    (out / "secret").write_text(SECRET)
    sent = sent_with(spec(wheel(place, CASES[case], out), tmp_path))
    assert SECRET.encode() not in sent
    for member in members(sent):
        assert member.isreg() or member.name == "venv"
        parts = PurePosixPath(member.name).parts
        assert parts[0] in ("Dockerfile", "venv")
        assert ".." not in parts
        assert member.mode in (0o644, 0o755)
    assert [(path.name, path.read_text()) for path in out.iterdir()] == [("secret", SECRET)]


@pytest.mark.usefixtures("own_cache")
def test_a_large_file_of_a_wheel_is_not_held_in_memory(tmp_path: Path) -> None:
    image = spec(wheel(tmp_path, evil(("large", "0" * (96 << 20))), tmp_path), tmp_path)
    with (tmp_path / "sent").open("wb") as sent:
        tracemalloc.start()
        try:
            context.write(image, sent, threading.Event())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert sent.tell() > 96 << 20
    assert peak < 16 << 20


@pytest.mark.usefixtures("own_cache")
def test_packages_without_end_are_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "LARGEST", 1 << 20)
    image = spec(wheel(tmp_path, evil(("large", "0" * (2 << 20))), tmp_path), tmp_path)
    with pytest.raises(ToolError, match="the packages have more than 0 GiB unpacked"):
        context.write(image, io.BytesIO(), threading.Event())
