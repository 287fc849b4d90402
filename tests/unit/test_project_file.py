"""The place of each mistake in a package's pyproject.toml."""

import pytest

from orchestrator.errors import InputError
from orchestrator.packages.project import parse_project

BUILD = '[build-system]\nrequires = ["setuptools>=61", "wheel"]\n'

MISTAKES = [
    ("[build-system\n", "pyproject.toml:1:14: not valid TOML"),
    (f"{BUILD}x = [1,\n", "pyproject.toml:4: not valid TOML"),
    ("build-system = 1\n", "pyproject.toml:1:1: `build-system` is not a table"),
    (
        '[project]\n\n[build-system]\nrequires = "a"\n',
        "pyproject.toml:4:1: `build-system.requires` is not a list",
    ),
    (
        '[build-system]\nrequires = [\n  "setuptools",\n  "no good!",\n]\n',
        "pyproject.toml:4:3: 'no good!' is no requirement",
    ),
    (
        f"{BUILD}[project]\ndependencies = ['a==1 b']\n",
        "pyproject.toml:4:17: 'a==1 b' is no requirement",
    ),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_mistake_is_named_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_project(text.encode(), "pyproject.toml")
    assert str(raised.value).startswith(said)


def test_a_byte_that_is_no_text_is_named_with_its_place() -> None:
    with pytest.raises(InputError) as raised:
        parse_project(b'[project]\nname = "\xff"\n', "pyproject.toml")
    assert str(raised.value).startswith("pyproject.toml:2:9: not UTF-8")


def test_each_requirement_has_its_place() -> None:
    project = parse_project(f'{BUILD}[project]\ndependencies = ["wheel"]\n'.encode(), "p.toml")
    found = {text: str(place) for text, place in project.places.items()}
    # The one that builds and runs is named where it is written for the build.
    assert found == {"setuptools>=61": "p.toml:2:13", "wheel": "p.toml:2:31"}
    assert project.builds == ("setuptools>=61", "wheel", "pip")
    assert project.runs == ("wheel",)
