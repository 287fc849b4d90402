"""Files of volumes that are read from the engine's store: no link is followed, and no pipe waited for."""

import os
from pathlib import Path

import pytest

from orchestrator.adapters.engine.volumes import Volumes

LIMIT = 10


class Kept(Volumes):
    """Volumes of which one lies in a folder; nothing is asked of an engine."""

    def __init__(self, place: Path, endpoint: str = "unix:///run/docker.sock") -> None:
        self.endpoint = endpoint
        self._places = {"cm-1": place}


def test_a_file_of_a_volume_is_read_up_to_a_byte_beyond_the_limit(tmp_path: Path) -> None:
    (tmp_path / "report").write_bytes(b"0123456789abcdef")
    assert Kept(tmp_path).read_kept("cm-1", "report", LIMIT) == b"0123456789a"


@pytest.mark.parametrize("kind", ["nothing", "link", "pipe", "folder"])
def test_anything_else_is_left_to_the_engine(tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    if kind == "link":
        (tmp_path / "report").symlink_to("secret")
    elif kind == "pipe":
        os.mkfifo(tmp_path / "report")
    elif kind == "folder":
        (tmp_path / "report").mkdir()
    assert Kept(tmp_path).read_kept("cm-1", "report", LIMIT) is None


def test_the_store_of_an_engine_of_another_machine_is_not_here(tmp_path: Path) -> None:
    (tmp_path / "report").write_bytes(b"0")
    assert Kept(tmp_path, "tcp://elsewhere:2375").read_kept("cm-1", "report", LIMIT) is None
    assert Kept(tmp_path).read_kept("cm-2", "report", LIMIT) is None
