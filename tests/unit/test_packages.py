"""Requirements to wheels: which wheel an environment takes, and what it is told where there is none."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from orchestrator.adapters import process, uv
from orchestrator.errors import HostError, InputError, Location
from orchestrator.images import wheels
from orchestrator.model import (
    Arch,
    LockedWheel,
    NoWheel,
    PackageLock,
    PackageQuestion,
    WheelPlatform,
    WheelTree,
)
from orchestrator.packages import Resolver, index, locked, parse, placed, read_project, reasons, resolve, tags
from orchestrator.packages.index import IndexFile
from tests.unit.index_server import IndexServer

DATA = Path(__file__).parents[1] / "data" / "packages"


def platform(python: str, glibc: str, arch: str = "x86_64", *, free_threaded: bool = False) -> WheelPlatform:
    return WheelPlatform(python=python, glibc=glibc, arch=Arch(arch), free_threaded=free_threaded)


def question(
    *requirements: str, python: str = "3.11.2", glibc: str = "2.36", folder: Path
) -> PackageQuestion:
    return PackageQuestion(requirements=requirements, platform=platform(python, glibc), folder=str(folder))


def listed(name: str) -> tuple[IndexFile, ...]:
    """What an index answered for a package in November 2026, cut to some versions."""
    return tuple(index.parse((DATA / f"{name}.json").read_text(), index.JSON, name))


@pytest.mark.parametrize(
    ("name", "wanted", "where", "reason"),
    [
        ("grpcio", "==1.70.0", platform("3.14.8", "2.43"),
         "grpcio 1.70.0 has wheels for cp38 to cp313 on manylinux_2_17 x86_64; none for CPython 3.14"),
        ("grpcio", "==1.70.0", platform("3.14.3", "2.41", free_threaded=True),
         "grpcio 1.70.0 has wheels for cp38 to cp313 on manylinux_2_17 x86_64; none for CPython 3.14t"),
        ("numpy", "", platform("3.11.2", "2.17"),
         "numpy 2.3.0 has wheels for cp311 on manylinux_2_28 x86_64; none for glibc 2.17 on x86_64"),
        ("numpy", "", platform("3.11.2", "2.17", "arm64"),
         "numpy 2.3.0 has wheels for cp311 on manylinux_2_28 aarch64; none for glibc 2.17 on aarch64"),
        ("numpy", "", platform("3.9.2", "2.31"),
         "numpy 2.3.0 requires Python >=3.11, and this is CPython 3.9"),
        ("psycopg2", "==2.9.9", platform("3.11.2", "2.36"),
         "psycopg2 2.9.9 has wheels for cp311 on win32, win amd64; none for glibc 2.36 on x86_64"),
        ("psycopg2", "==2.9.9", platform("3.14.8", "2.43"),
         "psycopg2 2.9.9 has wheels for cp37 to cp312 on win32, win amd64; "
         "none for CPython 3.14 with glibc 2.43 on x86_64"),
        ("uwsgi", "", platform("3.11.2", "2.36"), "uwsgi 2.0.31 has no wheels, only a source distribution"),
        ("greenlet", "==3.0.0", platform("3.14.8", "2.43"),
         "greenlet 3.0.0 has wheels for cp37 to cp312 on manylinux_2_17 x86_64, manylinux_2_24 x86_64, "
         "manylinux_2_28 x86_64; none for CPython 3.14"),
    ],
)  # fmt: skip
def test_the_reason_says_what_there_is_instead(
    name: str, wanted: str, where: WheelPlatform, reason: str
) -> None:
    chosen = resolve.wanted_files(listed(name), SpecifierSet(wanted))
    assert not any(reasons.fits(item, where) for item in chosen)
    assert reasons.no_wheel(name, chosen, where) == reason


def test_an_environment_with_a_wheel_has_one() -> None:
    files = resolve.wanted_files(listed("grpcio"), SpecifierSet("==1.71.2"))
    for python in ("3.9.2", "3.10.8", "3.11.2", "3.13.5"):
        fitting = [item for item in files if reasons.fits(item, platform(python, "2.17"))]
        assert len(fitting) == 1, fitting
    assert not [item for item in files if reasons.fits(item, platform("3.8.1", "2.17"))]


def test_html_and_json_tell_the_same() -> None:
    files = list(index.parse((DATA / "markupsafe.html").read_text(), "text/html", "MarkupSafe"))
    versions = {str(item.version) for item in files}
    assert versions == {"2.0.1", "3.0.2"}
    newer = {item.requires_python for item in files if item.version == Version("3.0.2")}
    assert newer == {">=3.9"}
    assert any(not item.is_wheel for item in files)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"files": 1}', '{"files": [1, {"filename": 2}]}'])
def test_an_index_that_sends_nonsense_is_an_error_or_has_nothing(text: str) -> None:
    with suppress(HostError):
        assert not list(index.parse(text, index.JSON, "x"))


@given(st.text(max_size=300), st.sampled_from([index.JSON, "text/html", ""]))
def test_no_answer_of_an_index_breaks_its_parser(text: str, media_type: str) -> None:
    with suppress(HostError):
        list(index.parse(text, media_type, "x"))


def test_the_versions_around_the_wanted_one_are_named() -> None:
    files = [
        Version(text) for text in ("1.0", "1.1", "1.69.0", "1.70.0", "1.71.0", "1.71.2", "1.80.0", "2.0rc1")
    ]
    said = reasons.versions_there_are(files, SpecifierSet("==1.70.9"))
    assert said == "there are 7, among them 1.0, 1.69.0, 1.70.0, 1.71.0, 1.71.2, 1.80.0"
    assert reasons.versions_there_are(files[:2], SpecifierSet("==3")) == "there is 1.0 and 1.1"
    assert reasons.newest(files) == Version("1.80.0")
    assert reasons.newest([Version("2.0rc1")]) == Version("2.0rc1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grpcio=1", "is no requirement"),
        ("grpcio==1.70.0 --hash", "is no requirement"),
        ("x @ https://me:secret@wheels.example/x-1-py3-none-any.whl", "has credentials in it"),
        ("/nowhere/x-1.0-py3-none-any.whl", "there is no wheel"),
        ("x @ file:///nowhere/x.zip", "is no wheel"),
        ("../x\n==1", "is not one line"),
        ("", "is no requirement"),
    ],
)
def test_a_mistake_in_a_requirement_names_its_place(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, Location(file="scenario.yaml", line=3, column=5))
    assert said in caught.value.what
    assert str(caught.value).startswith("scenario.yaml:3:5: ")
    assert "secret" not in str(caught.value)


@given(st.text(max_size=80))
def test_no_text_breaks_the_parser_of_requirements(text: str) -> None:
    with suppress(InputError):
        assert parse(text).name


def test_a_marker_is_asked_of_the_environment() -> None:
    old = parse('x; python_version < "3.12" and platform_machine == "aarch64"')
    assert old.applies(platform("3.11.2", "2.36", "arm64"))
    assert not old.applies(platform("3.11.2", "2.36"))
    assert not old.applies(platform("3.12.1", "2.36", "arm64"))


def test_a_wheel_of_the_newest_glibc_that_fits_is_preferred() -> None:
    where = platform("3.11.2", "2.36")
    names = ["x-1-cp311-cp311-manylinux_2_28_x86_64.whl", "x-1-cp311-cp311-manylinux2014_x86_64.whl",
             "x-1-cp311-abi3-manylinux_2_28_x86_64.whl", "x-1-py3-none-any.whl",
             "x-1-cp311-cp311-linux_x86_64.whl"]  # fmt: skip
    ranked = [tags.wheel_rank(name, where) for name in names]
    assert None not in ranked
    assert min(names, key=lambda name: tags.wheel_rank(name, where) or (0, 0)) == names[0]
    assert tags.wheel_rank(names[0], platform("3.11.2", "2.17")) is None
    assert (
        tags.wheel_rank("x-1-cp311-cp311-manylinux_2_5_aarch64.whl", platform("3.11.2", "2.36", "arm64"))
        is None
    )
    assert tags.wheel_rank("x-1-cp311-cp311-musllinux_1_1_x86_64.whl", where) is None


def test_uv_is_asked_for_a_platform_that_it_knows() -> None:
    named = {glibc: platform("3.11.2", glibc).uv for glibc in ("2.17", "2.30", "2.36", "2.43")}
    assert named == {
        "2.17": "x86_64-manylinux_2_17", "2.30": "x86_64-manylinux_2_28",
        "2.36": "x86_64-manylinux_2_36", "2.43": "x86_64-manylinux_2_40",
    }  # fmt: skip


def test_a_lock_has_one_wheel_of_each_distribution(tmp_path: Path) -> None:
    text = (DATA / "pylock.toml").read_text()
    lock = locked.read_lock(text, question("grpcio-status", folder=tmp_path))
    assert lock.pins == {
        "googleapis-common-protos": "1.75.0",
        "grpcio": "1.71.0",
        "grpcio-status": "1.70.0",
        "protobuf": "5.29.6",
    }
    native = next(item for item in lock.wheels if item.name == "protobuf")
    assert native.filename == "protobuf-5.29.6-cp38-abi3-manylinux2014_x86_64.whl"
    assert PackageLock.parse(lock.text) == lock
    assert "wheels.example" not in lock.text


@pytest.mark.parametrize(
    "text",
    ["x==1 --hash=sha256:00\n", "# x\nx==1 --hash=sha256:" + "0" * 63 + "\n", "# x\n", "\0", "# x y\nx==1\n"],
)
def test_a_damaged_lock_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not the text of a lock"):
        PackageLock.parse(text)


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser_of_locks(text: str) -> None:
    with suppress(ValueError):
        assert PackageLock.parse(text).text == text


def test_pip_settings_are_handed_to_uv(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    (tmp_path / "here").mkdir()
    config.write_text(
        "[global]\nindex-url = https://first.example/simple\nfind-links =\n    /not/there\n"
        f"    {tmp_path}/here\n[install]\nextra-index-url = https://more.example/simple\n"
    )
    found = uv.pip_settings({"PIP_CONFIG_FILE": str(config), "PIP_INDEX_URL": "https://own.example/simple"})
    assert found["index-url"] == "https://own.example/simple"
    assert found["extra-index-url"] == "https://more.example/simple"
    assert found["find-links"] == f"{tmp_path}/here"
    assert uv.pip_settings({"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}) == {"no-index": "1"}


def test_complaints_are_one_line_without_credentials() -> None:
    said = (
        "warning: x\nerror: No solution found when resolving dependencies\n  cause: Because a has no usable\n"
        "  cause: wheels at http://user:pass@packages.example/simple, we can conclude that your requirements "
        "are unsatisfiable.\n\nhint: An index (http://u@packages.example) answered (401 Unauthorized)\n"
    )
    assert uv.one_line(said) == (
        "Because a has no usable wheels at http://packages.example/simple "
        "An index (http://packages.example) answered (401 Unauthorized)"
    )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[IndexServer]:
    """An index of this machine that wants credentials."""
    with IndexServer(tmp_path / "index") as server:
        server.add_wheel(
            "native", "1.0", "cp311-cp311-manylinux_2_17_x86_64", scripts={"tool": "native:main"}
        )
        server.add_wheel("native", "1.1", "cp311-cp311-manylinux_2_17_x86_64")
        server.add_wheel("pure", "2.0", "py3-none-any", requires=["native<1.1"])
        yield server


def written(file: wheels.TreeFile) -> bytes:
    with file.opened() as (stream, size):
        data = stream.read()
    assert len(data) == size
    return data


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("own_cache")
def test_an_own_index_with_credentials_resolves_installs_and_tells_no_secret(
    served: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", served.address(credentials=True))
    resolver = Resolver(folder=tmp_path)
    lock = resolver.answer(question("pure", folder=tmp_path))
    assert isinstance(lock, PackageLock)
    assert lock.pins == {"native": "1.0", "pure": "2.0"}
    assert served.secret not in lock.text
    tree = WheelTree(lock=lock, platform=platform("3.11.2", "2.36"), folder=str(tmp_path))
    with wheels.installed(tree) as files:
        content = {file.name: (written(file), file.executable) for file in files}
    assert "lib/python3.11/site-packages/native/__init__.py" in content
    script, executable = content["bin/tool"]
    assert executable
    assert script.startswith(b"#!/opt/crashmatrix/venv/bin/python3\n")
    assert not [name for name, (data, _) in content.items() if served.secret.encode() in data]
    other = resolver.answer(question("pure", python="3.14.3", folder=tmp_path))
    assert isinstance(other, NoWheel)
    assert "native 1.0 has wheels for cp311 on manylinux_2_17 x86_64; none for CPython 3.14" in other.reason
    assert resolver.latest("native") == "1.1"
    for absent in ("nothing-here", "native==3"):
        with pytest.raises(InputError) as caught:
            resolver.answer(question(absent, folder=tmp_path))
        assert served.secret not in str(caught.value)
    offline = Resolver(folder=tmp_path, offline=True)
    served.stop()
    assert offline.answer(question("pure", folder=tmp_path)) == lock
    with pytest.raises(HostError, match="offline"):
        offline.answer(question("nothing-here", folder=tmp_path))


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("how", ["netrc", "named", "pip"])
def test_credentials_are_found_as_uv_finds_them(
    served: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "netrc":
        netrc = tmp_path / "netrc"
        netrc.write_text(f"machine 127.0.0.1 login {served.user} password {served.secret}\n")
        netrc.chmod(stat.S_IRUSR | stat.S_IWUSR)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("UV_DEFAULT_INDEX", served.address(credentials=False))
    elif how == "named":
        monkeypatch.setenv("UV_DEFAULT_INDEX", served.address(credentials=False) + "/not-there")
        monkeypatch.setenv("UV_INDEX", f"own={served.address(credentials=False)}")
        monkeypatch.setenv("UV_INDEX_OWN_USERNAME", served.user)
        monkeypatch.setenv("UV_INDEX_OWN_PASSWORD", served.secret)
    else:
        monkeypatch.setenv("PIP_INDEX_URL", served.address(credentials=True))
    resolver = Resolver(folder=tmp_path)
    assert isinstance(resolver.answer(question("native", folder=tmp_path)), PackageLock)
    assert isinstance(resolver.answer(question("native", python="3.9.2", folder=tmp_path)), NoWheel)


@pytest.mark.usefixtures("own_cache")
def test_an_index_that_refuses_is_no_missing_package(
    served: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = served.address(credentials=True).replace(served.secret, "wrong-word")
    monkeypatch.setenv("UV_DEFAULT_INDEX", address)
    with pytest.raises(HostError, match="refuses native: 401") as caught:
        Resolver(folder=tmp_path).answer(question("native", folder=tmp_path))
    assert "wrong-word" not in str(caught.value)


@pytest.mark.usefixtures("own_cache")
def test_a_wheel_file_of_this_host_is_used_where_it_fits(
    served: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_NO_INDEX", "1")
    file = served.wheels["native", "1.1"]
    resolver = Resolver(folder=tmp_path)
    for text in (str(file), f"native @ {file.as_uri()}"):
        asked = question(text, folder=tmp_path)
        lock = resolver.answer(asked)
        assert isinstance(lock, PackageLock)
        assert str(tmp_path) not in lock.text
        assert placed(PackageLock.parse(lock.text), asked) == lock
        other = resolver.answer(question(text, python="3.13.5", glibc="2.41", folder=tmp_path))
        assert other == NoWheel(
            reason=f"{file.name} is for cp311 on manylinux_2_17 x86_64, not for CPython 3.13"
        )
        tree = WheelTree(lock=lock, platform=platform("3.11.2", "2.36"), folder=str(tmp_path))
        with wheels.installed(tree) as files:
            assert not [item.name for item in files if item.path.name == "direct_url.json"]


@pytest.mark.usefixtures("own_cache")
def test_the_requirement_s_own_digests_are_kept_to(
    served: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", served.address(credentials=True))
    resolver, good = Resolver(folder=tmp_path), served.digest("native", "1.0")
    right = resolver.answer(question(f"native==1.0 --hash=sha256:{good}", folder=tmp_path))
    assert isinstance(right, PackageLock)
    wrong = resolver.answer(question(f"native==1.0 --hash=sha256:{'0' * 64}", folder=tmp_path))
    assert isinstance(wrong, NoWheel)
    assert "none of the digests" in wrong.reason


def test_installing_what_has_other_bytes_fails(
    served: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", served.address(credentials=True))
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))
    file = served.wheels["native", "1.0"]
    wheel = LockedWheel(name="native", version="1.0", filename=file.name, sha256="0" * 64)
    tree = WheelTree(
        lock=PackageLock(wheels=(wheel,)), platform=platform("3.11.2", "2.36"), folder=str(tmp_path)
    )
    with pytest.raises(HostError, match="uv cannot install the packages"), wheels.installed(tree):
        pass


def test_a_free_threaded_interpreter_takes_its_own_wheels(
    served: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", served.address(credentials=True))
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))
    for abi in ("cp314", "cp314t"):
        served.add_wheel("both", "1.0", f"cp314-{abi}-manylinux_2_17_x86_64")
    for free_threaded in (False, True):
        where = platform("3.14.3", "2.41", free_threaded=free_threaded)
        asked = PackageQuestion(requirements=("both",), platform=where, folder=str(tmp_path))
        lock = Resolver(folder=tmp_path).answer(asked)
        assert isinstance(lock, PackageLock)
        assert ("cp314t" in lock.wheels[0].filename) is free_threaded
        with wheels.installed(WheelTree(lock=lock, platform=where, folder=str(tmp_path))) as files:
            assert [item.name for item in files]


def test_an_answer_is_json_that_others_can_read() -> None:
    assert json.loads((DATA / "grpcio.json").read_text())["meta"]["api-version"]


@pytest.mark.parametrize(
    ("release", "threads", "folder"),
    [("3.11.2", False, "python3.11"), ("3.13.5", True, "python3.13t"), ("3.15", False, "python3.15")],
)
def test_an_environments_packages_lie_where_its_interpreter_looks(
    release: str, threads: bool, folder: str, tmp_path: Path
) -> None:
    version = platform(release, "2.36", free_threaded=threads).tagged(release)
    script = Path(__file__).parents[2] / "images" / "python" / "venv.sh"
    command = ["sh", str(script), str(tmp_path / "venv"), "/opt/python/bin/python3", version]
    process.run(command, hint="install sh")
    assert (tmp_path / "venv" / "lib" / folder / "site-packages").is_dir()
    assert (tmp_path / "venv" / "bin" / folder).readlink() == Path("python3")


BUILT: Final = (
    "import pathlib; pathlib.Path({!r}).touch()\nfrom setuptools import setup; setup(name='evil')\n"
)


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A project with a package that says so by a file `built` when its code runs on this host."""
    project = tmp_path / "project"
    (project / "evil").mkdir(parents=True)
    (project / "evil" / "setup.py").write_text(BUILT.format(str(tmp_path / "built")))
    return project


HOSTILE_SETTINGS = {
    "group": '[dependency-groups]\nx = ["evil @ file://{project}/evil"]\n[tool.uv.pip]\ngroup = ["x"]\n',
    "output-file": '[tool.uv.pip]\noutput-file = "{outside}/bashrc"\n',
    "cache-dir": '[tool.uv]\ncache-dir = "{outside}/cache"\n',
    "python": '[tool.uv.pip]\npython = "{project}/evil/setup.py"\n',
    "target": '[tool.uv.pip]\ntarget = "{outside}/target"\nlink-mode = "symlink"\ncompile-bytecode = true\n',
}


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("setting", HOSTILE_SETTINGS)
def test_no_setting_of_a_project_makes_uv_run_its_code_or_write_where_it_says(
    setting: str, evil: Path, served: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting == "cache-dir":
        monkeypatch.delenv("UV_CACHE_DIR")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "bashrc").write_text("the user's")
    text = HOSTILE_SETTINGS[setting].format(project=evil, outside=outside)
    (evil / "pyproject.toml").write_text(f'[project]\nname = "x"\nversion = "1"\n{text}')
    monkeypatch.setenv("UV_DEFAULT_INDEX", served.address(credentials=True))
    resolver = Resolver(folder=evil)
    assert resolver.latest("native") == "1.1"
    lock = resolver.answer(question("native", folder=evil))
    assert isinstance(lock, PackageLock)
    tree = WheelTree(lock=lock, platform=platform("3.11.2", "2.36"), folder=str(evil))
    with wheels.installed(tree) as files:
        assert "lib/python3.11/site-packages/native/__init__.py" in {item.name for item in files}
    assert not (tmp_path / "built").exists()
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("bashrc", "the user's")]


INDEXES = {
    "uv.toml": '[[index]]\nname = "own"\nurl = "{url}"\ndefault = true\n',
    "pyproject.toml": '[[tool.uv.index]]\nname = "own"\nurl = "{url}"\n[[tool.uv.index]]\nname = "other"\n'
    'url = "http://127.0.0.1:1/"\nexplicit = true\n',
    "pip's": '[tool.uv.pip]\nindex-url = "{url}"\n',
    "a folder": '[tool.uv]\nno-index = true\nfind-links = ["wheels"]\n',
    "a flat one": '[tool.uv]\nno-index = true\nindex = [{{ url = "wheels", format = "flat" }}]\n',
}


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("how", INDEXES)
def test_the_indexes_of_a_project_are_used_with_the_user_s_credentials(
    how: str, served: IndexServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project" / "below"
    project.mkdir(parents=True)
    shutil.copytree(served.folder / "files", project.parent / "wheels")
    file = project.parent / ("uv.toml" if how == "uv.toml" else "pyproject.toml")
    file.write_text(INDEXES[how].format(url=served.address(credentials=how == "pip's")))
    monkeypatch.setenv("UV_INDEX_OWN_USERNAME", served.user)
    monkeypatch.setenv("UV_INDEX_OWN_PASSWORD", served.secret)
    lock = Resolver(folder=project).answer(question("native<1.1", folder=project))
    assert isinstance(lock, PackageLock)
    assert lock.pins == {"native": "1.0"}


def test_what_the_user_says_of_indexes_goes_before_what_a_project_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX_URL", "https://mine.example/simple")
    monkeypatch.setenv("UV_INDEX", "https://also-mine.example/simple")
    (tmp_path / "uv.toml").write_text(
        'index-url = "https://its.example/"\nextra-index-url = ["https://a.example/"]\nprerelease = "allow"\n'
        'resolution = "two\\nlines"\n'
    )
    told = uv.environment(tmp_path)
    assert "UV_DEFAULT_INDEX" not in told
    assert told["UV_INDEX"] == "https://also-mine.example/simple https://a.example/"
    assert told["UV_PRERELEASE"] == "allow"
    assert "UV_RESOLUTION" not in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('find-links = ["../outside"]', "../outside' leads out of the folder"),
        ('index-url = "file:///etc"', "'/etc' leads out of the folder"),
        ('index-url = "https://a.example/ https://b.example/"', "is no index"),
        ("index-url = 1", "'' is no index"),
        ('index-url = "https://[x"', "cannot be read"),
        ("index-url = [", "not valid TOML"),
    ],
)
def test_an_index_that_a_project_cannot_have_is_its_mistake(text: str, said: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "outside").mkdir()
    (project / "uv.toml").write_text(text)
    with pytest.raises(InputError) as caught:
        uv.environment(project)
    assert said in str(caught.value)


SMUGGLED = (
    "native @ https://x.example/native-1.0-py3-none-any.whl\n-e=./evil",
    "native @ https://x.example/native-1.0-py3-none-any.whl\n./evil",
    "native @ https://x.example/native-1.0-py3-none-any.whl\r--index-url=https://x.example",
    "native @ https://x.example/${AWS_SECRET_ACCESS_KEY}/native-1.0-py3-none-any.whl",
    "evil @ git+file://{project}/evil",
    "evil @ ./evil",
    "evil @ file://{project}/evil",
    "native @ https://[x/native-1.0-py3-none-any.whl",
)


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("text", SMUGGLED)
def test_no_requirement_of_a_package_is_more_than_one_or_is_built_on_this_host(
    text: str, evil: Path, tmp_path: Path
) -> None:
    requirement = text.format(project=evil) if "{project}" in text else text
    for table in (f"[build-system]\nrequires = [{json.dumps(requirement)}]\n",
                  f"[project]\ndependencies = [{json.dumps(requirement)}]\n"):  # fmt: skip
        (evil / "pyproject.toml").write_text(table)
        with pytest.raises(InputError):
            read_project(evil)
    with pytest.raises(InputError):
        Resolver(folder=evil).answer(question(requirement, folder=evil))
    assert not (tmp_path / "built").exists()


def test_a_package_names_no_wheel_of_this_host(served: IndexServer, evil: Path) -> None:
    file = served.wheels["native", "1.0"]
    for text in (str(file), f"native @ {file.as_uri()}"):
        (evil / "pyproject.toml").write_text(f"[build-system]\nrequires = [{json.dumps(text)}]\n")
        with pytest.raises(InputError, match="native is to be had by a file of this host"):
            read_project(evil)


@pytest.mark.parametrize(
    "line",
    ["-e==1", "--find-links==1", "native==1;x", "native==-e", "native==1\u2028-e==1"],
)
def test_a_lock_of_others_names_no_option(line: str) -> None:
    with pytest.raises(ValueError, match="not the text of a lock"):
        PackageLock.parse(f"# native-1.0-py3-none-any.whl\n{line} --hash=sha256:{'0' * 64}\n")
    with pytest.raises(ValueError, match="not the text of a lock"):
        PackageLock.parse(f"# ../../native-1.0-py3-none-any.whl\nnative==1 --hash=sha256:{'0' * 64}\n")
