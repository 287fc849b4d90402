"""Archives of images: what reaches an engine of one that someone else wrote."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import InputError
from orchestrator.images import archives, tars
from orchestrator.model import LABEL_KEY, Arch, ImageKind, ImageSpec

KEY = "ab" * 32
SPEC = ImageSpec(role="cell-x", kind=ImageKind.DOCKERFILE, arch=Arch.X86_64, text="FROM scratch\n", key=KEY)
LAYERS = (b"one layer" * 1000, b"another" * 1000)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def config(key: str = KEY, arch: str = "amd64", layers: tuple[bytes, ...] = LAYERS) -> bytes:
    ids = [f"sha256:{digest(layer)}" for layer in layers]
    settings = {"Labels": {LABEL_KEY: key}, "Cmd": ["/bin/sh"]}
    return json.dumps(
        {
            "architecture": arch,
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": ids},
        }
    ).encode()


def entry(text: bytes, names: list[str], tag: str = SPEC.tag) -> dict[str, object]:
    return {"Config": f"{digest(text)}.json", "RepoTags": [tag], "Layers": names}


def write(path: Path, *members: tuple[tarfile.TarInfo | str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for info, content in members:
            member = tarfile.TarInfo(info) if isinstance(info, str) else info
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def archive(path: Path, text: bytes | None = None, layers: tuple[bytes, ...] = LAYERS, **more: str) -> Path:
    """An archive as Docker 20.10 writes it: a layer that lies elsewhere is a link."""
    text = config() if text is None else text
    manifest = [entry(text, ["a/layer.tar", "b/layer.tar"], **more)]
    return write(
        path,
        ("x/layer.tar", layers[0]),
        (link("a/layer.tar", "../x/layer.tar"), b""),
        ("b/layer.tar", layers[1]),
        (f"{digest(text)}.json", text),
        ("manifest.json", json.dumps(manifest).encode()),
    )


def loaded(path: Path, *specs: ImageSpec) -> dict[str, bytes]:
    """The members of what an engine gets."""
    with archives.opened(path) as opened:
        text = b"".join(opened.stream(opened.images(specs or (SPEC,))))
    with tarfile.open(fileobj=io.BytesIO(text)) as tar:
        files = {info.name: tar.extractfile(info) for info in tar}
        return {name: file.read() for name, file in files.items() if file}


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as refused:
        loaded(path)
    assert str(path) in str(refused.value)
    return str(refused.value)


def test_an_engine_gets_the_wanted_images_under_this_program_s_own_names(tmp_path: Path) -> None:
    found = loaded(archive(tmp_path / "images.tar"))
    names = [f"{digest(layer)}/layer.tar" for layer in LAYERS]
    assert list(found) == [*names, f"{digest(config())}.json", "manifest.json"]
    assert [found[name] for name in names] == list(LAYERS)
    assert json.loads(found["manifest.json"]) == [entry(config(), names)]


def test_an_archive_with_blobs_as_oci_has_them_is_read_and_may_be_compressed(tmp_path: Path) -> None:
    packed = tuple(gzip.compress(layer) for layer in LAYERS)
    blobs = {f"blobs/sha256/{digest(content)}": content for content in (*packed, config())}
    *layers, text = blobs
    manifest = [{"Config": text, "RepoTags": [f"docker.io/{SPEC.tag}"], "Layers": layers}]
    path = write(tmp_path / "i.tar", *blobs.items(), ("manifest.json", json.dumps(manifest).encode()))
    found = loaded(path)
    assert [found[f"{digest(layer)}/layer.tar"] for layer in LAYERS] == list(packed)


def test_what_no_cell_of_the_plan_needs_reaches_no_engine(tmp_path: Path) -> None:
    path = archive(tmp_path / "images.tar", tag="python:3.11")
    with archives.opened(path) as opened:
        assert opened.images((SPEC,)) == []
    assert list(loaded(path)) == ["manifest.json"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (config(key="cd" * 32), "another image under the name crashmatrix/cell-x"),
        (config(arch="arm64"), "another architecture"),
        (config(layers=LAYERS[:1]), "not its layers"),
        (config(layers=LAYERS[::-1]), "is not what its digest says"),
        (b"{}", "Field required"),
        (b"[" * 100_000, "cannot be read"),
        (config().replace(b"sha256:", b"../../x"), "should match pattern"),
        (config().replace(b'"config": {', b'"config": [1], "x": {'), "cannot be read"),
    ],
)
def test_an_image_that_is_not_what_its_name_says_is_refused(tmp_path: Path, text: bytes, says: str) -> None:
    assert says in refusal(archive(tmp_path / "images.tar", text))


def test_a_damaged_layer_breaks_the_stream_off_before_the_manifest(tmp_path: Path) -> None:
    path = archive(tmp_path / "images.tar", layers=(LAYERS[0], LAYERS[1][:-1] + b"?"))
    sent: list[bytes] = []
    with archives.opened(path) as opened:
        stream = opened.stream(opened.images((SPEC,)))
        with pytest.raises(InputError, match="is not what its digest says"):
            sent.extend(stream)
    assert b"manifest.json" not in b"".join(sent)


def test_a_configuration_that_is_not_what_its_digest_says_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "images.tar")
    path.write_bytes(path.read_bytes().replace(b'"/bin/sh"', b'"/bin/sX"'))
    assert "is not what its digest says" in refusal(path)


def test_a_layer_that_unpacks_to_more_than_a_layer_may_have_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_LAYER", 1 << 20)
    bomb = gzip.compress(bytes(64 << 20))
    assert len(bomb) < 100_000
    assert "a layer has more than" in refusal(archive(tmp_path / "i.tar", layers=(bomb, LAYERS[1])))


def test_what_stands_behind_a_compressed_layer_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(LAYERS[0]) + b"more"
    assert "something behind its end" in refusal(archive(tmp_path / "i.tar", layers=(packed, LAYERS[1])))


def of_kind(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("x")
    info.type = kind
    return info


def with_pax(tar: tarfile.TarInfo, **headers: str) -> tarfile.TarInfo:
    tar.pax_headers = headers
    return tar


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_bytes(b""), "no tar"),
        (lambda path: path.write_bytes(b"x" * 10_000), "no tar"),
        (lambda path: path.write_bytes(gzip.compress(b"x" * 10_000)), "no tar"),
        (lambda path: write(path, ("x", b"")), "no file 'manifest.json'"),
        (lambda path: write(path, (link("manifest.json", "manifest.json"), b"")), "no file 'manifest.json'"),
        (lambda path: write(path, (link("manifest.json", "/etc/passwd"), b"")), "no file 'etc/passwd'"),
        (lambda path: write(path, (link("manifest.json", "../" * 90 + "x"), b"")), "no file 'x'"),
        (lambda path: write(path, (of_kind(tarfile.FIFOTYPE), b"")), "no archive of images has"),
        (lambda path: write(path, (of_kind(tarfile.CHRTYPE), b"")), "no archive of images has"),
        (lambda path: write(path, (of_kind(tarfile.LNKTYPE), b"")), "no archive of images has"),
        (lambda path: write(path, ("y" * 301, b"")), "no archive of images has"),
        (lambda path: write(path, ("y" * 100_000, b"")), "a header is too long"),
        (
            lambda path: write(path, (with_pax(tarfile.TarInfo("y"), comment="z" * 100_000), b"")),
            "a header is too long",
        ),
        (lambda path: write(path, ("manifest.json", b"[" * 99_999)), "cannot be read"),
        (lambda path: write(path, ("manifest.json", bytes(17 << 20))), "larger than 16 MiB"),
        (lambda path: write(path, ("manifest.json", b'[{"Config":"x","Layers":"y"}]')), "cannot be read"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda _path: None, "No such file"),
    ],
)
def test_what_is_no_archive_of_images_is_refused_in_a_line(
    tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    make(tmp_path / "images.tar")
    assert says in refusal(tmp_path / "images.tar")


def test_an_archive_has_no_more_members_than_images_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tars, "MOST_MEMBERS", 10)
    path = write(tmp_path / "images.tar", *((str(number), b"") for number in range(11)))
    assert "no archive of images has" in refusal(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_archive_loads_what_it_had_or_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    whole = archive(tmp_path / "whole.tar")
    expected, text = loaded(whole), bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(text[: data.draw(st.integers(0, len(text)))])
    try:
        found = loaded(damaged)
    except InputError:
        return
    assert found in (expected, {"manifest.json": b"[]"})


def test_the_key_of_a_cache_is_of_all_images_in_any_order() -> None:
    other = SPEC.model_copy(update={"key": "cd" * 32})
    assert archives.cache_key((SPEC, other)) == archives.cache_key((other, SPEC))
    assert archives.cache_key((SPEC,)) != archives.cache_key((SPEC, other))
