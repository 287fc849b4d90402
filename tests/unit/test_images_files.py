"""Build contexts, the build lock, image archives and package lists."""

import hashlib
import io
import json
import tarfile
import threading
from pathlib import Path

import pytest

from orchestrator.errors import HostError, ToolError, TransientError
from orchestrator.images import cache, context, locks, rootfs
from orchestrator.images.network import ATTEMPTS, persistently
from orchestrator.model import Arch, ContextFile, ImageKind, ImageSpec

STATUS = """\
Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.2.13.dfsg-1
Description: compression library
 Version: not a field

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: base-files
Status: install ok installed
Architecture: amd64
Version: 12.4+deb12u12
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def spec_of(text: str, *files: ContextFile, arch: Arch = Arch.X86_64) -> ImageSpec:
    return ImageSpec(
        role="x",
        kind=ImageKind.DOCKERFILE,
        arch=arch,
        text=text,
        files=files,
        key=hashlib.sha256(b"x").hexdigest(),
    )


def file_of(path: Path, name: str, *, executable: bool = False) -> ContextFile:
    return ContextFile(name=name, path=str(path), sha256=cache.digest(path), executable=executable)


def written(spec: ImageSpec) -> bytes:
    out = io.BytesIO()
    context.write(spec, out, threading.Event())
    return out.getvalue()


def test_a_context_is_the_same_bytes_whenever_and_wherever(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("content")
    second.write_text("content")
    second.chmod(0o600)
    assert written(spec_of("FROM x", file_of(first, "f"))) == written(spec_of("FROM x", file_of(second, "f")))


def test_a_context_holds_dockerfile_names_and_modes(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("content")
    data = written(spec_of("FROM x\n", file_of(tmp_path / "run", "bin/run", executable=True)))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {member.name: (member.mode, member.mtime, member.uid) for member in tar}
    assert found == {"Dockerfile": (0o644, 0, 0), "bin/run": (0o755, 0, 0)}


def test_a_file_that_changed_since_its_key_was_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("before")
    spec = spec_of("FROM x", file_of(tmp_path / "f", "f"))
    (tmp_path / "f").write_text("after")
    with pytest.raises(HostError, match="changed during the run"):
        written(spec)


def test_an_image_lock_waits_for_another_holder_and_gives_up_on_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "POLL", 0.01)
    stop, told = threading.Event(), []
    with locks.image_lock("a" * 64, stop, lambda: told.append("first")) as held:
        assert held
        with locks.image_lock("b" * 64, stop, lambda: told.append("another image")) as other:
            assert other
        waiting = threading.Timer(0.1, stop.set)
        waiting.start()
        with locks.image_lock("a" * 64, stop, lambda: told.append("second")) as again:
            assert not again
        waiting.join()
    assert told == ["second"]


def test_only_the_last_run_that_builds_removes_stages() -> None:
    stop, removed = threading.Event(), []
    with locks.building(stop, lambda: removed.append("last")) as first:
        with locks.building(stop, lambda: removed.append("too early")) as second:
            assert first
            assert second
        assert removed == []
    assert removed == ["last"]


def test_a_step_is_tried_again_until_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.wait.random.uniform", lambda *_: 0)
    failures: list[HostError] = [TransientError("network", hint="")] * (ATTEMPTS - 1)

    def step() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert persistently(step, threading.Event())() == "done"


def test_a_step_is_not_tried_again_once_stopped() -> None:
    stop, tries = threading.Event(), []

    def step() -> None:
        tries.append(1)
        stop.set()
        raise TransientError("interrupted", hint="")

    with pytest.raises(ToolError):
        persistently(step, stop)()
    assert len(tries) == 1


def test_the_package_list_holds_what_is_installed() -> None:
    assert rootfs.packages(STATUS) == "base-files 12.4+deb12u12 amd64\nzlib1g 1:1.2.13.dfsg-1 amd64\n"


def test_an_empty_image_has_an_architecture_and_no_file(tmp_path: Path) -> None:
    out = io.BytesIO()
    rootfs.archive(spec_of("No files.\n", arch=Arch.ARM64), rootfs.empty(tmp_path), {}, out)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        contents = {member.name: stream.read() for member in tar if (stream := tar.extractfile(member))}
    (entry,) = json.loads(contents["manifest.json"])
    assert json.loads(contents[entry["Config"]])["architecture"] == "arm64"
    with tarfile.open(fileobj=io.BytesIO(contents[entry["Layers"][0]])) as layer:
        assert layer.getnames() == []


def test_an_image_archive_says_its_own_architecture_and_layer(tmp_path: Path) -> None:
    layer = tmp_path / "rootfs.tar"
    with tarfile.open(layer, "w") as tar:
        tar.addfile(tarfile.TarInfo("./empty"))
    spec, out = spec_of("mmdebstrap\nbookworm\n", arch=Arch.ARM64), io.BytesIO()
    rootfs.archive(spec, rootfs.Rootfs(tar=layer, packages=""), {"a": "b"}, out)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        contents = {member.name: stream.read() for member in tar if (stream := tar.extractfile(member))}
    (entry,) = json.loads(contents["manifest.json"])
    config = json.loads(contents[entry["Config"]])
    assert entry["RepoTags"] == [spec.tag]
    assert (config["os"], config["architecture"], config["config"]["Labels"]) == (
        "linux",
        "arm64",
        {"a": "b"},
    )
    diff_id = hashlib.sha256(contents[entry["Layers"][0]]).hexdigest()
    assert config["rootfs"]["diff_ids"] == [f"sha256:{diff_id}"]
    assert entry["Config"] == f"{hashlib.sha256(contents[entry['Config']]).hexdigest()}.json"
