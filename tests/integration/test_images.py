"""Building against the real engine: small images from nothing, one that fails, one that is broken off."""

import hashlib
import io
import re
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import docker
import pytest

from orchestrator import images
from orchestrator.adapters import process
from orchestrator.adapters.engine import Engine
from orchestrator.errors import BuildError
from orchestrator.images import cache, recipe_book, rootfs
from orchestrator.model import LABEL, LABEL_KEY, MATRIX_ARCHES, Arch, ContextFile, ImageKind, ImageSpec

MakeSpec = Callable[..., ImageSpec]


class Told:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: dict[str, str | None] = {}

    def image_started(self, role: str) -> None:
        self.started.append(role)

    def image_ended(self, role: str, seconds: float, error: str | None) -> None:
        assert seconds >= 0
        self.ended[role] = error

    def say(self, text: str) -> None:
        """Another run may be building: this one shares its lock, or it would prune that one's stages."""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine.connect()
    yield engine
    engine.close()


@pytest.fixture
def make_spec(engine: Engine, tmp_path: Path) -> Iterator[MakeSpec]:
    """Make specifications that no earlier test built; their images are removed afterwards."""
    made: list[ImageSpec] = []
    nonce = uuid.uuid4().hex

    def make(role: str, text: str, *parents: ImageSpec, paths: dict[str, Path] | None = None) -> ImageSpec:
        (tmp_path / "nonce").write_text(nonce)
        arch = Arch.from_machine(engine.info().arch)
        paths = {"nonce": tmp_path / "nonce"} | (paths or {})
        files = tuple(
            ContextFile(name=name, path=str(path), sha256=cache.digest(path), executable=name != "nonce")
            for name, path in paths.items()
        )
        key = recipe_book.content_key(role, ImageKind.DOCKERFILE, arch, text, files)
        spec = ImageSpec(
            role=role, kind=ImageKind.DOCKERFILE, arch=arch, text=text, files=files, key=key,
            parents=tuple(parent.key for parent in parents),
        )  # fmt: skip
        made.append(spec)
        return spec

    yield make
    for spec in reversed(made):
        engine.remove_image(spec.tag)


def build(
    engine: Engine, specs: list[ImageSpec], logs: Path, stop: threading.Event | None = None
) -> tuple[dict[str, images.Result], Told, list[tuple[str, images.Result]]]:
    told, ready = Told(), []
    results = images.build_all(
        engine, specs, jobs=2, logs=logs, stop=stop or threading.Event(), progress=told,
        on_ready=lambda key, result: ready.append((key, result)),
    )  # fmt: skip
    return results, told, ready


def test_a_chain_is_built_once_in_order_and_labelled(
    engine: Engine, make_spec: MakeSpec, tmp_path: Path
) -> None:
    below = make_spec("test-below", "FROM scratch\nCOPY nonce /below\n")
    above = make_spec("test-above", f"FROM scratch\nCOPY --from={below.tag} /below /above\n", below)
    results, told, ready = build(engine, [above, below], tmp_path / "logs")
    assert told.started == ["test-below", "test-above"]
    assert told.ended == {"test-below": None, "test-above": None}
    assert ready == list(results.items()) == [(key, engine.images()[key]) for key in (below.key, above.key)]
    assert all(str(image).startswith("sha256:") for image in results.values())
    log = (tmp_path / "logs" / above.folder / "build.log").read_text()
    assert f"COPY --from={below.tag}" in log
    assert "Successfully tagged" in log

    again, told_again, ready_again = build(engine, [above, below], tmp_path / "logs")
    assert again == results
    assert told_again.started == []
    assert sorted(ready_again) == sorted(ready)


def test_two_runs_at_once_build_an_image_once(engine: Engine, make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec("test-twice", "FROM scratch\nCOPY nonce /shared\n")
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(build, engine, [spec], tmp_path / name) for name in ("first", "second")]
        (first, told, _), (second, told_too, _) = (run.result() for run in runs)
    assert first == second == {spec.key: engine.images()[spec.key]}
    assert told.started + told_too.started == ["test-twice"]


def test_a_removed_image_below_is_not_built_again(
    engine: Engine, make_spec: MakeSpec, tmp_path: Path
) -> None:
    below = make_spec("test-below", "FROM scratch\nCOPY nonce /below\n")
    above = make_spec("test-above", f"FROM scratch\nCOPY --from={below.tag} /below /above\n", below)
    build(engine, [below, above], tmp_path / "logs")
    engine.remove_image(below.tag)
    results, told, _ = build(engine, [below, above], tmp_path / "logs")
    assert list(results) == [above.key]
    assert told.started == []


def test_a_failed_image_fails_what_needs_it_and_nothing_else(
    engine: Engine, make_spec: MakeSpec, tmp_path: Path
) -> None:
    broken = make_spec("test-broken", "FROM scratch\nCOPY nonce /a\nCOPY not-there /b\n")
    above = make_spec("test-above", f"FROM {broken.tag}\nCOPY nonce /c\n", broken)
    top = make_spec("test-top", f"FROM {above.tag}\nCOPY nonce /d\n", above)
    sound = make_spec("test-sound", "FROM scratch\nCOPY nonce /e\n")
    results, told, ready = build(engine, [broken, above, top, sound], tmp_path / "logs")
    assert results[sound.key] == engine.images()[sound.key]
    for spec in (broken, above, top):
        error = results[spec.key]
        assert isinstance(error, BuildError)
        said = (
            r"image test-broken could not be built in (Step 3/5 :|STEP 3/4:) COPY not-there /b: .*not-there"
        )
        assert re.search(said, str(error)), error
        assert str(tmp_path / "logs" / broken.folder / "build.log") in error.hint
        assert f"image {spec.role} " in error.what
        assert spec.key not in engine.images()
    assert "not-there" in (tmp_path / "logs" / broken.folder / "build.log").read_text()
    assert "test-above" not in told.started
    assert {key for key, _ in ready} == set(results)


def test_what_no_image_can_need_any_more_is_not_waited_for(
    engine: Engine, make_spec: MakeSpec, base_image: str, tmp_path: Path
) -> None:
    endless = make_spec("test-endless", f"FROM {base_image}\nCOPY nonce /a\nRUN sleep infinity\n")
    broken = make_spec("test-broken", "FROM scratch\nCOPY nonce /a\nCOPY not-there /b\n")
    top = make_spec("test-top", f"FROM {endless.tag}\nCOPY --from={broken.tag} /a /b\n", endless, broken)
    results, told, ready = build(engine, [endless, broken, top], tmp_path / "logs")
    assert {spec.role for spec in (endless, broken, top) if spec.key in results} == {
        "test-broken",
        "test-top",
    }
    assert isinstance(results[top.key], BuildError)
    assert {key for key, _ in ready} == {broken.key, top.key}
    assert set(told.ended) == {"test-broken"}
    assert endless.key not in engine.images()


def test_a_stopped_build_leaves_no_image_and_no_container(
    engine: Engine, make_spec: MakeSpec, tmp_path: Path
) -> None:
    sleep = process.find("sleep")
    assert sleep
    libraries = re.findall(r"(/\S+) \(0x", process.run(["ldd", sleep], hint="").text)
    paths = {"sleep": Path(sleep)} | {path.lstrip("/"): Path(path).resolve() for path in libraries}
    seconds = f"120.{uuid.uuid4().int}"
    text = f'FROM scratch\nCOPY . /\nLABEL {LABEL}=image\nRUN ["/sleep", "{seconds}"]\n'
    spec = make_spec("test-endless", text, paths=paths)
    stop, ended = threading.Event(), []
    thread = threading.Thread(target=lambda: ended.append(build(engine, [spec], tmp_path / "logs", stop)))
    thread.start()
    wait_until(lambda: runs(seconds), 60)
    stop.set()
    thread.join(timeout=60)
    assert not thread.is_alive(), "waited for the program's 120 s"
    ((results, _, ready),) = ended
    assert (results, ready) == ({}, [])
    assert spec.key not in engine.images()
    wait_until(lambda: not runs(seconds))


def runs(argument: str) -> bool:
    """Whether a process with this argument runs, in whatever container: not every engine lists a build's."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"\0{argument}\0".encode() in file.read_bytes():
                return True
    return False


def wait_until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Poll; fails when it takes too long."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("arch", MATRIX_ARCHES)
def test_a_written_archive_is_loaded_with_its_own_architecture(
    engine: Engine, tmp_path: Path, arch: Arch
) -> None:
    layer = tmp_path / "rootfs.tar"
    with tarfile.open(layer, "w") as tar:
        info = tarfile.TarInfo("./hello")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    key = hashlib.sha256(uuid.uuid4().bytes).hexdigest()
    spec = ImageSpec(role="test-rootfs", kind=ImageKind.ROOTFS, arch=arch, text="mmdebstrap\n", key=key)
    archive = io.BytesIO()
    rootfs.archive(spec, rootfs.Rootfs(tar=layer, packages=""), {LABEL: "image", LABEL_KEY: key}, archive)
    archive.seek(0)
    try:
        image = engine.load(archive, tag=spec.tag)
        assert engine.images()[key] == image
        client = docker.DockerClient(base_url=engine.endpoint)
        assert client.images.get(spec.tag).attrs["Architecture"] == arch.debian
        client.close()
    finally:
        engine.remove_image(spec.tag)
