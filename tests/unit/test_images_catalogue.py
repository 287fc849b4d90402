"""The catalogue of bases and downloads, as it is and as it must not be."""

from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.images import load_catalogue
from orchestrator.model import Arch

CATALOGUE = Path(__file__).parents[2] / "images" / "catalogue.yaml"


def test_the_projects_own_catalogue() -> None:
    catalogue = load_catalogue(CATALOGUE)
    assert [(base.glibc, base.python) for base in catalogue.bases] == [
        ("2.31", "3.9"), ("2.36", "3.11"), ("2.41", "3.13"),
    ]  # fmt: skip
    wheel = catalogue.download("ziglang", Arch.X86_64)
    assert wheel is not None
    assert wheel.filename.endswith(".whl")
    assert catalogue.download("ziglang", Arch.ARM64) is None
    assert catalogue.download("uwsgi", Arch.ARM64) is not None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'glibc: "2.36"',
            'glibc: "2.31"',
            r":17:.*debian-bullseye and debian-bookworm both bring glibc 2.31",
        ),
        ("builder_suite: trixie", "builder_suite: trixy", r":39:.*did you mean 'trixie'"),
        ("project: ziglang", "project: uwsgi\n    arch: arm64", "twice"),
        ("suite: bookworm", 'suite: "book\\nworm"', "suite"),
        ("packages: [python3, libpython3.13]", 'packages: ["python3,x; rm -rf /"]', "packages"),
        ("e8f8b350", "E8F8B350", "sha256"),
        ("uwsgi-2.0.31.tar.gz", "../uwsgi.tar.gz", "filename"),
        ('glibc: "2.31"', "glibc: 2.31", "not a string"),
        ("schema: 1", "schema: 2", "schema"),
    ],
)
def test_a_wrong_catalogue_is_refused_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = CATALOGUE.read_text()
    assert old in text
    path = tmp_path / "catalogue.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=said) as caught:
        load_catalogue(path)
    assert caught.value.where is not None
    assert caught.value.where.line is not None
