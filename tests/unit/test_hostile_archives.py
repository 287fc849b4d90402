"""Source distributions and servers that want all memory, disk or time of the host."""

import gzip
import io
import struct
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

from orchestrator.adapters import http, process
from orchestrator.errors import CrashmatrixError, HostError, InputError
from orchestrator.packages import archive, bounded
from orchestrator.packages.sdist import read_sdist

ZEROS: Final = gzip.compress(bytes(64 << 20), compresslevel=1) * 20
"""1.25 GiB of them, as parts that gzip reads as one."""
HUGE: Final = 20 * (64 << 20)
MEMORY: Final = 1 << 30
"""Bytes of address space in which each archive must be read."""
READ: Final = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
from orchestrator.errors import CrashmatrixError
from orchestrator.packages import archive, sdist
path, into = map(Path, sys.argv[1:])
for read in (sdist.read_sdist, lambda path: archive.unpack(path, into)):
    try:
        print(read(path))
    except CrashmatrixError as error:
        print(error.what)
"""


def header(kind: bytes, size: int, name: str = "x-1.0/x") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
def test_headers_of_any_size_take_no_memory(kind: bytes, tmp_path: Path) -> None:
    path, into = tmp_path / "x-1.0.tar.gz", tmp_path / "into"
    into.mkdir()
    last = header(tarfile.REGTYPE, 0, "x-1.0/PKG-INFO") + bytes(1024)
    path.write_bytes(gzip.compress(header(kind, HUGE)) + ZEROS + gzip.compress(last))
    code = READ.format(memory=MEMORY)
    done = process.run([sys.executable, "-c", code, str(path), str(into)], hint="", timeout=300)
    assert done.text.count("it has a header of 1,342,177,280 bytes") == 2, done.text


def test_a_search_for_the_end_of_a_header_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tarfile reads the list of a sparse file by 512 bytes, and goes through all that it has each time."""
    monkeypatch.setattr(bounded, "SECONDS", 0.0)
    path = tmp_path / "x-1.0.tar.gz"
    info = tarfile.TarInfo("x-1.0/PKG-INFO")
    info.size = 64 << 20
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1"}
    path.write_bytes(gzip.compress(info.tobuf(tarfile.PAX_FORMAT) + b"999999999\n") + ZEROS)
    with pytest.raises(InputError, match="was not read within 0 s"):
        read_sdist(path)


def test_an_archive_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "LARGEST", 4 << 20)
    path = tmp_path / "x-1.0.tar.gz"
    path.write_bytes(gzip.compress(header(tarfile.REGTYPE, HUGE)) + ZEROS)
    with pytest.raises(InputError, match="larger than"):
        read_sdist(path)


@pytest.mark.parametrize("name", ["../outside", "/outside", "x-1.0/../../outside"])
def test_no_member_is_unpacked_outside(name: str, tmp_path: Path) -> None:
    path, into = tmp_path / "x-1.0.tar.gz", tmp_path / "into"
    into.mkdir()
    with tarfile.open(path, "w:gz") as made:
        for kind, target in (
            (tarfile.SYMTYPE, ".."),
            (tarfile.LNKTYPE, "/etc/hostname"),
            (tarfile.FIFOTYPE, ""),
        ):
            info = tarfile.TarInfo("x-1.0/link")
            info.type, info.linkname = kind, target
            made.addfile(info)
        made.addfile(tarfile.TarInfo(name), io.BytesIO())
    with suppress(HostError):
        archive.unpack(path, into)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["into", path.name]
    assert [item.name for item in into.rglob("*") if not item.is_dir()] in ([], ["outside"])
    assert not Path("/outside").exists()


SECOND: Final = {
    "a link": (tarfile.SYMTYPE, "x-1.0/PKG-INFO"),
    "a hard link": (tarfile.LNKTYPE, "x-1.0/PKG-INFO"),
    "a character device": (tarfile.CHRTYPE, "x-1.0/PKG-INFO"),
    "a block device": (tarfile.BLKTYPE, "x-1.0/PKG-INFO"),
    "a pipe": (tarfile.FIFOTYPE, "x-1.0/PKG-INFO"),
    "a folder": (tarfile.DIRTYPE, "x-1.0/PKG-INFO"),
    "the same name": (tarfile.REGTYPE, "x-1.0/PKG-INFO"),
    "another case": (tarfile.REGTYPE, "x-1.0/pkg-info"),
    "a file below it": (tarfile.REGTYPE, "x-1.0/PKG-INFO/x"),
}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("second", SECOND)
def test_what_two_members_make_of_one_name_stays_inside(second: str, *, turned: bool, tmp_path: Path) -> None:
    path, into, secret = tmp_path / "x-1.0.tar.gz", tmp_path / "into", tmp_path / "secret"
    into.mkdir()
    secret.write_text("Requires-Dist: secret\n")
    text = b"Requires-Dist: helper\n"
    first, other = tarfile.TarInfo("x-1.0/PKG-INFO"), tarfile.TarInfo()
    first.size = len(text)
    other.type, other.name = SECOND[second]
    other.linkname = str(secret)
    with tarfile.open(path, "w:gz") as made:
        for info in (other, first) if turned else (first, other):
            made.addfile(info, io.BytesIO(text[: info.size]))
    with suppress(InputError):
        assert read_sdist(path).requires in ((), ("helper",))
    with suppress(HostError):
        archive.unpack(path, into)
    assert all(item.is_dir() or item.is_file() for item in into.rglob("*"))
    assert not any(
        item.is_symlink() or item.stat().st_nlink > 1 for item in into.rglob("*") if item.is_file()
    )
    assert secret.read_text() == "Requires-Dist: secret\n"


def test_a_directory_of_millions_of_files_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x-1.0.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("x-1.0/PKG-INFO", "Requires-Dist: helper\n")
    assert read_sdist(path).requires == ("helper",)
    whole = path.read_bytes()
    end = whole.rindex(b"PK\x05\x06")
    path.write_bytes(whole[: end + 12] + struct.pack("<I", HUGE) + whole[end + 16 :])
    with pytest.raises(InputError, match="its directory is larger"):
        read_sdist(path)
    path.write_bytes(whole[:end] + b"PK\x06\x07" + bytes(16) + whole[end:])
    with pytest.raises(InputError, match="more files than"):
        read_sdist(path)


def test_damaged_streams_are_the_distribution_s_fault(tmp_path: Path) -> None:
    path, into = tmp_path / "x-1.0.tar.gz", tmp_path / "into"
    into.mkdir()
    good = gzip.compress(header(tarfile.REGTYPE, 1 << 16, "x-1.0/PKG-INFO") + bytes(range(256)) * 300)
    for place in range(10, len(good), max(1, len(good) // 60)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :])
        for read in (lambda: read_sdist(path), lambda: archive.unpack(path, into)):
            try:
                read()
            except CrashmatrixError:
                continue


class _Endless(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json; charset=rot13")
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(1 << 16))
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def endless() -> Iterator[str]:
    """The address of a server whose answers have no end."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Endless) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/x"
        server.shutdown()


def test_an_answer_without_end_fills_no_memory_and_no_disk(
    endless: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "LARGEST", 8 << 20)
    monkeypatch.setattr(http, "LARGEST_PAGE", 8 << 20)
    monkeypatch.setattr(http, "ca_bundle", lambda: None)
    with pytest.raises(HostError, match="larger than any page"):
        http.get(endless, "text/html")
    with pytest.raises(HostError, match="is larger than"):
        http.download(endless, tmp_path / "part", threading.Event())
    assert (tmp_path / "part").stat().st_size == 0
