"""Downloads from where they really lie, through the clients of this host: pip, npm and mvn."""

import threading
from pathlib import Path

import pytest

from orchestrator.adapters import process
from orchestrator.images import cache, load_catalogue
from orchestrator.model import Arch
from tests.integration.runs import ROOT


@pytest.mark.parametrize(
    ("name", "arch"),
    [
        ("uwsgi", Arch.ARM64),
        ("ziglang", Arch.ARM64),
        ("cross-gcc-amd64", Arch.X86_64),
        pytest.param(
            "javacpp-cpython",
            Arch.ARM64,
            marks=pytest.mark.skipif(process.find("mvn") is None, reason="setup leaves maven to the user"),
        ),
    ],
)
def test_a_pinned_file_is_fetched_and_has_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, arch: Arch
) -> None:
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path))
    item = load_catalogue(ROOT / "images" / "catalogue.yaml").download(name, arch)
    assert item is not None
    path = cache.fetch(item, threading.Event())
    assert path.name == item.filename
    assert cache.digest(path) == item.sha256
    assert [entry.name for entry in path.parent.iterdir()] == [item.filename]
