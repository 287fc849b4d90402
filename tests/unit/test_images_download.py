"""Downloads from a server on this host that breaks off, refuses, or gives other bytes; and their lock."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.adapters.cache import cache_folder
from orchestrator.errors import HostError, InputError, ToolError
from orchestrator.images import cache, load_catalogue, lock_catalogue
from orchestrator.images.download import obtain
from orchestrator.model import Download, LocalFile, Pin, UrlFile, Wanted

CONTENT = bytes(range(256)) * 4096
OTHER = b"other" * 1000


class Server(ThreadingHTTPServer):
    """Serves CONTENT at any path. `breaks` answers end after half of what is left; `ranges` are obeyed."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.breaks = 0
        self.ranges = True
        self.first_byte: int | None = None
        self.status = 200
        self.content = CONTENT
        self.asked: list[tuple[str, str | None]] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        if self.server.status != 200 or self.path.startswith("/missing"):
            self.send_error(self.server.status if self.server.status != 200 else 404)
            return
        content, start = self.server.content, 0
        if wanted and self.server.ranges:
            asked = int(wanted.removeprefix("bytes=").removesuffix("-"))
            start = asked if self.server.first_byte is None else self.server.first_byte
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        rest = content[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if self.server.breaks:
            self.server.breaks -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: pytest shows what failed."""


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("tenacity.wait.random.uniform", lambda *_: 0)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def pinned(wanted: Wanted, content: bytes = CONTENT) -> Download:
    sha256 = hashlib.sha256(content).hexdigest()
    pin = Pin(name=wanted.name, version=wanted.version, filename="f.tar", sha256=sha256)
    return Download(wanted=wanted, pin=pin)


def file_at(*urls: str) -> UrlFile:
    return UrlFile(source="url", name="f", version="1.0", urls=urls)


def fetch(item: Download) -> Path:
    return cache.fetch(item, threading.Event())


def test_a_file_is_fetched_once_and_then_taken_from_the_cache(server: Server) -> None:
    item = pinned(file_at(server.url("f.tar")))
    path = fetch(item)
    assert path.read_bytes() == CONTENT
    assert path.name == "f.tar"
    assert fetch(item) == path
    assert len(server.asked) == 1


def test_a_download_that_breaks_off_goes_on_where_it_stopped(server: Server) -> None:
    server.breaks = 2
    assert fetch(pinned(file_at(server.url("f.tar")))).read_bytes() == CONTENT
    half, quarter = len(CONTENT) // 2, len(CONTENT) // 4
    assert [wanted for _, wanted in server.asked] == [None, f"bytes={half}-", f"bytes={half + quarter}-"]


def test_a_file_of_debian_is_taken_from_the_mirrors_that_apt_uses_here(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """apt-get itself answers, from sources of the test's own."""
    archive = server.url("pool/main/f/f/f_1.0.orig.tar").partition("pool/")[0]
    sources = tmp_path / "sources.list"
    sources.write_text(f"deb [trusted=yes] {archive} bookworm main\n")
    settings = tmp_path / "apt.conf"
    settings.write_text(f'Dir::Etc::sourcelist "{sources}";\nDir::Etc::sourceparts "/dev/null";\n')
    monkeypatch.setenv("APT_CONFIG", str(settings))
    item = pinned(UrlFile(source="url", name="f", version="1.0", pool="main/f/f/f_1.0.orig.tar"))
    assert fetch(item).read_bytes() == CONTENT
    sources.write_text("")
    cache_folder(cache.DOWNLOADS).joinpath(item.sha256, "f.tar").unlink()
    with pytest.raises(HostError, match=r"f 1\.0 is in Debian's archive only, and apt names no mirror"):
        fetch(item)


def test_a_partial_answer_that_begins_elsewhere_is_not_appended(server: Server) -> None:
    """HTTP 206 whose first byte is not the one that was asked for: here it brings the whole file."""
    server.breaks, server.first_byte = 1, 0
    assert fetch(pinned(file_at(server.url("f.tar")))).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [None, f"bytes={len(CONTENT) // 2}-"]


def test_what_an_earlier_run_left_is_gone_on_with(server: Server) -> None:
    server.breaks = 3
    item = pinned(file_at(server.url("f.tar")))
    with pytest.raises(ToolError, match="could not be fetched"):
        fetch(item)
    assert fetch(item).read_bytes() == CONTENT
    assert server.asked[-1][1] == f"bytes={len(CONTENT) * 7 // 8}-"


def test_a_server_without_ranges_sends_the_whole_file_again(server: Server) -> None:
    server.breaks, server.ranges = 1, False
    assert fetch(pinned(file_at(server.url("f.tar")))).read_bytes() == CONTENT
    assert len(server.asked) == 2


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)])
def test_a_part_of_other_bytes_is_thrown_away(server: Server, left: bytes) -> None:
    item = pinned(file_at(server.url("f.tar")))
    part = cache_folder(cache.DOWNLOADS) / item.sha256 / cache.PART
    part.mkdir(parents=True)
    (part / "f.tar").write_bytes(left)
    assert fetch(item).read_bytes() == CONTENT


def test_a_wrong_digest_names_both_and_keeps_nothing(server: Server) -> None:
    server.content = OTHER
    item = pinned(file_at(server.url("f.tar")))
    found = hashlib.sha256(OTHER).hexdigest()
    for _ in range(2):
        with pytest.raises(HostError, match=rf"f\.tar \(f 1\.0\) has sha256 {found}, not {item.sha256}"):
            fetch(item)
    assert len(server.asked) == 2


def test_a_damaged_file_in_the_cache_is_fetched_again(server: Server) -> None:
    item = pinned(file_at(server.url("f.tar")))
    fetch(item).write_bytes(OTHER)
    assert fetch(item).read_bytes() == CONTENT


def test_a_missing_file_is_not_asked_for_again_but_the_next_address_is(server: Server) -> None:
    with pytest.raises(HostError, match="answered 404"):
        fetch(pinned(file_at(server.url("missing"))))
    assert len(server.asked) == 1
    both = file_at(server.url("missing"), server.url("f.tar"))
    assert fetch(pinned(both)).read_bytes() == CONTENT


def test_a_server_that_stumbles_is_asked_again(server: Server) -> None:
    server.status = 503
    with pytest.raises(ToolError, match="answered 503"):
        fetch(pinned(file_at(server.url("f.tar"))))
    assert len(server.asked) == 3


def test_two_that_need_one_file_fetch_it_once(server: Server) -> None:
    item = pinned(file_at(server.url("f.tar")))
    threads = [threading.Thread(target=fetch, args=(item,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 1


def test_a_stopped_download_ends(server: Server, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(ToolError, match="stopped"):
        obtain(file_at(server.url("f.tar")), None, tmp_path, stop)


def test_a_file_of_this_host_is_checked_the_same(tmp_path: Path) -> None:
    source = tmp_path / "f.tar"
    item = LocalFile(source="file", name="f", version="1.0", path=str(source))
    with pytest.raises(InputError, match=r"f 1\.0 cannot be read: No such file"):
        fetch(pinned(item))
    source.write_bytes(OTHER)
    with pytest.raises(HostError, match="has sha256"):
        fetch(pinned(item))
    source.write_bytes(CONTENT)
    assert fetch(pinned(item)).read_bytes() == CONTENT
    assert source.exists()


CATALOGUE = """\
schema: 1
bases:
  - {name: b, glibc: "2.41", arches: [x86_64], debian: {suite: trixie, packages: []}}
languages: [cpp]
builder_suite: trixie
downloads:
  - {name: here, version: "1.0", source: file, path: here.tar}
"""


def test_locking_pins_what_is_new_keeps_what_is_known_and_drops_what_is_gone(
    server: Server, tmp_path: Path
) -> None:
    path, stop = tmp_path / "catalogue.yaml", threading.Event()
    told: list[str] = []
    (tmp_path / "here.tar").write_bytes(OTHER)
    path.write_text(CATALOGUE)
    lock = lock_catalogue(path, None, stop, told.append)
    assert load_catalogue(path).downloads[0].sha256 == hashlib.sha256(OTHER).hexdigest()
    assert len(told) == 1

    more = '  - {name: there, version: "2.0", source: url, urls: ["%s"]}\n'
    path.write_text(CATALOGUE + more % server.url("there.tar"))
    (tmp_path / "here.tar").unlink()
    lock_catalogue(path, None, stop, told.append)
    here, there = load_catalogue(path).downloads
    assert (here.filename, there.filename) == ("here.tar", "there.tar")
    assert told[1:] == [f"pinned there 2.0: there.tar, sha256 {hashlib.sha256(CONTENT).hexdigest()}"]
    fetch(there)
    assert len(server.asked) == 1

    written = lock.read_text()
    path.write_text(CATALOGUE)
    lock_catalogue(path, None, stop, told.append)
    assert "there" in written
    assert "there" not in lock.read_text()


def test_one_that_cannot_be_pinned_keeps_no_other_from_it(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    told: list[str] = []
    more = '  - {name: there, version: "2.0", source: url, urls: ["%s"]}\n'
    path.write_text(CATALOGUE + more % server.url("there.tar"))
    with pytest.raises(HostError, match="1 could not be pinned"):
        lock_catalogue(path, None, threading.Event(), told.append)
    assert "not pinned: here 1.0" in told[0]
    assert "name: there" in (tmp_path / "lock.yaml").read_text()
