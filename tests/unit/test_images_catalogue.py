"""The catalogue of bases and downloads, as it is and as it must not be."""

from pathlib import Path
from shutil import copy

import pytest

from orchestrator.errors import InputError
from orchestrator.images import load_catalogue
from orchestrator.model import Arch, InterpreterKind

CATALOGUE = Path(__file__).parents[2] / "images" / "catalogue.yaml"
LOCK = CATALOGUE.parent / "lock.yaml"
REGISTRY = """\
    registry:
      images: {x86_64: quay.io/pypa/manylinux_2_28_x86_64, arm64: quay.io/pypa/manylinux_2_28_aarch64}
      tag: latest
"""


def test_the_projects_own_catalogue() -> None:
    catalogue = load_catalogue(CATALOGUE)
    own = {base.glibc: [python.version for python in base.pythons] for base in catalogue.bases}
    brought = {"2.17": [], "2.31": ["3.9"], "2.36": ["3.11"], "2.41": ["3.13"], "2.43": ["3.14", "3.15"]}
    assert own.items() >= brought.items()
    pulled = {base.glibc for base in catalogue.bases if base.pulled}
    assert pulled == {"2.28", "2.34", "2.35", "2.39"}
    wheel = catalogue.download("ziglang", Arch.X86_64)
    assert wheel is not None
    assert wheel.filename.endswith(".whl")
    assert catalogue.download("uwsgi", Arch.ARM64) is not None
    assert catalogue.download("cross-gcc-arm64", Arch.ARM64) is None
    archive = catalogue.download("cpython", Arch.X86_64, "3.13.15")
    assert archive is not None
    assert archive.filename == "Python-3.13.15.tar.xz"
    foreign = catalogue.download("javacpp-cpython", Arch.ARM64, "3.12.1")
    assert foreign is not None
    assert foreign.filename == "cpython-3.12.1-1.5.10-linux-arm64.jar"
    assert {(one.version, *one.arches) for one in catalogue.interpreters} == {
        ("3.9.2", Arch.X86_64),
        ("3.11.2", Arch.X86_64),
        ("3.13.5", Arch.X86_64, Arch.ARM64),
        ("3.13.15", Arch.X86_64, Arch.ARM64),
        ("3.10.8", Arch.X86_64),
        ("3.12.1", Arch.X86_64, Arch.ARM64),
        ("3.14.3", Arch.X86_64, Arch.ARM64),
        ("3.13.5t", Arch.X86_64),
    }


@pytest.mark.parametrize(
    ("glibc", "python", "version", "kind"),
    [
        ("2.36", "3.11", "3.11.2", InterpreterKind.OWN),
        ("2.36", "3.11.2", "3.11.2", InterpreterKind.PORTABLE),  # never the base's own: a suite changes it
        ("2.17", "3.13", "3.13.5", InterpreterKind.PORTABLE),  # the first listed of the series
        ("2.41", "3.13.15", "3.13.15", InterpreterKind.PORTABLE),
        ("2.43", "3.15", "3.15.0", InterpreterKind.OWN),
        ("2.17", "3.10", "3.10.8", InterpreterKind.ARCHIVE),
        ("2.31", "3.12", "3.12.1", InterpreterKind.ARCHIVE),
        ("2.28", "3.12", None, None),  # its archive needs glibc 2.30
        ("2.36", "3.14", "3.14.3", InterpreterKind.ARCHIVE),
        ("2.43", "3.14", "3.14.8", InterpreterKind.OWN),
        ("2.31", "3.14", None, None),
        ("2.43", "3.1", None, None),  # 3.1 is no series of 3.13
        ("2.41", "3.15", None, None),
        ("2.41", "3.13t", "3.13.5t", InterpreterKind.PORTABLE),  # trixie's own 3.13 is another build
        ("2.17", "3.13.5t", "3.13.5t", InterpreterKind.PORTABLE),
        ("2.36", "3.11t", None, None),
        ("2.43", "3.14t", None, None),
        ("2.99", "3.11", None, None),
    ],
)
def test_what_a_python_means_on_a_base(
    glibc: str, python: str, version: str | None, kind: InterpreterKind | None
) -> None:
    made_of = load_catalogue(CATALOGUE).made_of(python, glibc, Arch.X86_64)
    assert (made_of and made_of.version, made_of and made_of.interpreter) == (version, kind)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (REGISTRY, "", r"bases\.5.*one of `debian`, `sysroot` and `registry`"),
        ("sysroot: {}", "debian: {suite: trixie, packages: []}\n    sysroot: {}", r"bases\.0: only one of"),
        (
            'version: "3.9.2", source: cpython,',
            'version: "3.9.3", source: cpython,',
            r":\d+:5: no file of cpython 3.9.3 is in the catalogue's downloads",
        ),
        ('kind: portable, version: "3.13.5"', 'kind: portable, version: "3.13.15"', "stands here twice"),
        ("kind: portable", "kind: own", "interpreters"),
        ("program: /usr/bin/python3.15", "program: python3.15", "program"),
        (
            'glibc: "2.36"',
            'glibc: "2.31"',
            r":\d+:12:.*bullseye and bookworm both bring glibc 2.31",
        ),
        ("builder_suite: trixie", "builder_suite: trixy", r":\d+:16:.*did you mean 'trixie'"),
        ("1.0.0", "1.0.1", r"lock\.yaml:\d+.*cross-gcc-amd64 1.0.1 for x86_64 is not pinned.*images lock"),
        ("arch: arm64}", "arch: x86_64}", "ziglang 0.17.0 for x86_64 stands here twice"),
        ("source: npm", "source: nmp", r"downloads\.3"),
        ("package: ", "packet: ", r":\d+:13: unknown key 'packet'; did you mean 'package'"),
        ("org.bytedeco:cpython:3.10.8", "-Dsettings=x org.bytedeco:cpython:3.10.8", r"maven\.artifact"),
        (
            'version: "3.9.2", source: cpython, arches: [x86_64]',
            'version: "3.9.2", source: cpython, arches: [x86_64], lowest_glibc: "2.36"',
            "a portable interpreter runs on every base",
        ),
        (
            'version: "3.9.2", source: cpython, arches: [x86_64]',
            'version: "3.9.2", source: cpython, arches: [x86_64], without: [ssl]',
            "a portable interpreter has every module",
        ),
        ('"@napi-rs/cross', '"--registry=https://x @napi-rs/cross', r"downloads\.3\.npm\.package"),
        ("https://www.python.org", "https://user:secret@www.python.org", "urls"),
        ("suite: bookworm", 'suite: "book\\nworm"', "suite"),
        ("packages: [python3, libpython3.13]", 'packages: ["python3,x; rm -rf /"]', "packages"),
        ('glibc: "2.31"', "glibc: 2.31", "not a string"),
        ("schema: 1", "schema: 2", "schema"),
    ],
)
def test_a_wrong_catalogue_is_refused_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = CATALOGUE.read_text()
    assert old in text
    path = tmp_path / "catalogue.yaml"
    path.write_text(text.replace(old, new, 1))
    copy(LOCK, tmp_path)
    with pytest.raises(InputError, match=said) as caught:
        load_catalogue(path)
    assert caught.value.where is not None
    assert caught.value.where.line is not None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("e8f8b350", "E8F8B350", "sha256"),
        ("uwsgi-2.0.31.tar.gz", "../uwsgi.tar.gz", "filename"),
        ("name: uwsgi", "name: gunicorn", r"uwsgi 2.0.31 is not pinned in images/lock.yaml"),
        ("name: libffi\n", "name: libffi\n  arch: arm64\n", "libffi 3.4.4 is not pinned"),
    ],
)
def test_a_wrong_lock_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    copy(CATALOGUE, tmp_path)
    text = LOCK.read_text()
    assert old in text
    (tmp_path / "lock.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=said):
        load_catalogue(tmp_path / "catalogue.yaml")


def test_a_pin_of_nothing_is_refused(tmp_path: Path) -> None:
    copy(CATALOGUE, tmp_path)
    more = "- {name: left, version: '1.0', filename: f, sha256: '" + "0" * 64 + "'}\n"
    (tmp_path / "lock.yaml").write_text(LOCK.read_text() + more)
    with pytest.raises(InputError, match=r"no longer wants left 1\.0"):
        load_catalogue(tmp_path / "catalogue.yaml")
