import operator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from orchestrator.errors import InputError, Location
from orchestrator.matrix.expression import EXAMPLE, MAX_LENGTH, CellContext, Expression, parse
from orchestrator.matrix.facts import CatalogueFacts
from orchestrator.model import Arch, Catalogue

VOCABULARY = {
    "python": ("3.9", "3.11", "3.13"),
    "glibc": ("2.17", "2.31", "2.36", "2.41"),
    "launcher": ("plain", "uwsgi"),
    "probe": ("cpp", "rust"),
    "numpy": ("1.26", "2.0"),
}
AXES = {"python": "3.11", "glibc": "2.36", "launcher": "uwsgi", "probe": "cpp", "numpy": "2.0"}
CELL = CellContext(axes=AXES, host=Arch.X86_64)
HERE = Location(file="matrix.yaml", line=7, column=12)


def read(text: str) -> Expression:
    return parse(text, VOCABULARY, HERE)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("true", True),
        ("false", False),
        ('glibc < "2.41" and launcher == "uwsgi"', True),
        ('glibc < "2.4"', False),  # 36 is more than 4: versions are no decimal fractions
        ('python < "3.9"', False),
        ('"2.31" <= glibc < "2.41"', True),
        ('"2.31" <= glibc < "2.36"', False),  # both comparisons count
        ('"2.40" <= glibc < "2.41"', False),
        ('"2.36" < glibc', False),
        ('probe in ("cpp", "rust") and not python >= "3.13"', True),
        ('probe not in ["cpp"]', False),
        ('launcher != "uwsgi" or probe == "cpp"', True),
        ('not (launcher == "uwsgi" and probe == "cpp")', False),
        ('numpy >= "1.27"', True),  # an own axis whose values all are versions orders as they do
    ],
)
def test_truth(text: str, holds: bool) -> None:
    assert read(text).matches(CELL) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("emulated", ["arm64"]),
        ("not emulated", ["x86_64"]),
        ('emulated or python < "3.10"', ["arm64"]),
        ('python < "3.9" and emulated', []),
    ],
)
def test_emulated_is_what_is_not_the_hosts_own_architecture(
    catalogue: Catalogue, text: str, holds: list[str]
) -> None:
    words = {**VOCABULARY, "arch": ("x86_64", "arm64")}
    block = {"python": ("3.11",), "glibc": ("2.36",), "arch": ("x86_64", "arm64")}
    other = {"x86_64": "arm64", "arm64": "x86_64"}
    for host, expected in ((Arch.X86_64, holds), (Arch.ARM64, [other[arch] for arch in holds])):
        asked = CatalogueFacts(catalogue.model_copy(update={"host": host})).when(
            parse(text, words, HERE), True
        )
        assert [arch for part, yes in asked.partition([block]) if yes for arch in part["arch"]] == expected


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('level < "2.0"', False),
        ('level >= "1.0"', False),
        ('not level < "2.0"', True),
        ('level == "none"', True),
        ('level != "none"', False),
        ('level in ("1.0", "none")', True),
        ('level not in ("1.0", "2.0")', True),
    ],
)
def test_a_cell_without_an_axis_reads_as_none_there(text: str, holds: bool) -> None:
    words = {**VOCABULARY, "level": ("none", "1.0", "2.0")}
    assert parse(text, words, HERE).matches(CELL) is holds
    assert parse(text, words, HERE).matches(replace(CELL, axes={**AXES, "level": "none"})) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('grpcio < "1.71"', ["1.70.2", "1.71.0rc1"]),  # as PEP 440 orders, also for a bound that is no value
        (
            'grpcio <= "1.70"',
            [],
        ),  # a package's 1.70.2 is beyond 1.70, while a Python's 3.13.5 is not beyond 3.13
        ('grpcio > "1.70"', ["1.70.2", "1.71.0rc1", "1.71.0", "1!0.1"]),
        ('grpcio >= "1.71.0"', ["1.71.0", "1!0.1"]),
        ('grpcio == "1.71"', ["1.71.0"]),  # 1.71 is 1.71.0
        ('grpcio in ("1.71.0-rc1", "none")', ["1.71.0rc1"]),
        ('"1.71" < grpcio < "2!0"', ["1!0.1"]),
    ],
)
def test_the_versions_of_a_package_compare_as_pep_440_orders_them(text: str, holds: list[str]) -> None:
    values = ("none", "1.70.2", "1.71.0rc1", "1.71.0", "1!0.1")
    words = {**VOCABULARY, "grpcio": values}
    holding = [
        value for value in values[1:]
        if parse(text, words, HERE).matches(replace(CELL, axes={**AXES, "grpcio": value}))
    ]  # fmt: skip
    assert holding == holds


@pytest.mark.parametrize(
    ("text", "says", "column"),
    [
        ('glib < "2.41"', "unknown axis 'glib'; did you mean 'glibc'?", 12),
        ('glibc == "2.37"', "glibc has no value '2.37'; did you mean", 21),
        ('launcher == "uwsgi" and prob == "cpp"', "unknown axis 'prob'; did you mean 'probe'?", 36),
        ("glibc < 2.41", '2.41 is not a quoted value; write "2.41" in quotes', 20),
        ('launcher < "uwsgi"', "launcher has no order", 23),
        ('glibc < "new"', "'new' is not a version", 20),
        ("glibc", "'glibc' is not a comparison", 12),
        ('glibc in "2.31"', "glibc in needs several values", 21),
        ('glibc is "2.31"', "`is` is not known here", 21),
        ('glibc == "2.31" and', "does not parse", 31),
        ('__import__("os").system("true")', "is not a comparison", 12),
        ('glibc == "2.31" if true else false', "is not a comparison", 12),
        ("[x for x in ()]", "is not a comparison", 12),
        ("", "does not parse", 12),
        ('true and "cpp" == "rust"', "'\"cpp\"' is not the name of an axis; write for example glibc", 21),
    ],
)
def test_refusals_name_the_place(text: str, says: str, column: int) -> None:
    with pytest.raises(InputError) as caught:
        read(text)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"matrix.yaml:7:{column}: ")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('glibc < "new"', 'write a version such as "2.41"'),
        ('launcher < "uwsgi"', "use ==, != or in"),
        ('glibc in "2.31"', 'write glibc in ("a", "b")'),
        ('glibc is "2.31"', "use == or !="),
        ("glibc < 2.41", 'write "2.41" in quotes'),
        ("glibc", EXAMPLE),
        ("", EXAMPLE),
        ("glibc\0", EXAMPLE),
        ("x" * (MAX_LENGTH + 1), "split it"),
    ],
)
def test_refusals_say_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        read(text)
    assert caught.value.hint == hint


def test_a_long_part_is_cut_in_its_refusal() -> None:
    with pytest.raises(InputError) as caught:
        read(f'"{"a" * 80}"')
    assert caught.value.what == f"""'"{"a" * 59}' is not a comparison"""


@pytest.mark.parametrize("text", ["(" * 900, "x" * (MAX_LENGTH + 1), "glibc\0", "\ud800"])
def test_hostile_text_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        read(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=80))
def test_any_text_is_an_expression_or_an_input_error(text: str) -> None:
    try:
        parsed = read(text)
    except InputError as refused:
        place = refused.where
    else:
        place = HERE
        assert parsed.matches(CELL) in (True, False)
    assert place is not None
    assert place.file == HERE.file


# Random trees, written as text and evaluated here by Python's own operators.
ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
VERSIONS = [axis for axis in VOCABULARY if axis in ("python", "glibc", "numpy")]


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> tuple[str, bool]:
    if depth == 0 or draw(st.booleans()):
        axis = draw(st.sampled_from(VERSIONS))
        sign, value = draw(st.sampled_from(sorted(ORDERS))), draw(st.sampled_from(VOCABULARY[axis]))
        return f'{axis} {sign} "{value}"', ORDERS[sign](Version(AXES[axis]), Version(value))
    left, right = draw(trees(depth=depth - 1)), draw(trees(depth=depth - 1))
    join = draw(st.sampled_from(["and", "or", "not"]))
    if join == "not":
        return f"not ({left[0]})", not left[1]
    both = (left[1] and right[1]) if join == "and" else (left[1] or right[1])
    return f"({left[0]}) {join} ({right[0]})", both


@given(trees())
def test_trees_mean_what_python_says_they_mean(tree: tuple[str, bool]) -> None:
    text, meaning = tree
    assert read(text).matches(CELL) is meaning


def test_an_expression_names_the_axes_that_decide_it() -> None:
    text = 'not (launcher == "uwsgi" and "2.31" < glibc) or probe in ("cpp", "rust") or false'
    assert read(text).names == {"launcher", "glibc", "probe"}


@pytest.mark.parametrize(
    ("text", "release", "holds"),
    [
        ('python >= "3.13.8"', "3.13.5", False),
        ('python >= "3.13.8"', "3.13.15", True),
        ('python < "3.13.8"', "3.13.5", True),
        ('python > "3.13"', "3.13.5", False),  # a comparison is as exact as it is written
        ('python <= "3.13"', "3.13.5", True),
        ('python == "3.13"', "3.13.5", True),  # what the axis says, not what it stands for
        ('python >= "3.12.4"', "3.13", True),  # told by the series alone
        ('python < "3.14.2"', "3.13", True),
    ],
)
def test_of_a_series_the_exact_release_counts(text: str, release: str, holds: bool) -> None:
    assert read(text).matches(series(release)) is holds


def series(release: str) -> CellContext:
    return CellContext(axes={"python": "3.13"}, releases={"python": release}, host=Arch.X86_64)


def test_a_release_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InputError, match="its exact release is unknown") as caught:
        read('glibc == "2.36" or python >= "3.13.8"').matches(series("3.13"))
    assert caught.value.where == Location(file="matrix.yaml", line=7, column=12 + 19)
    assert caught.value.hint == "give its `release` in images/catalogue.yaml, or compare with a series"


THREADS = {**VOCABULARY, "python": ("3.13", "3.13.5", "3.13t", "3.13.5t", "3.14")}


@pytest.mark.parametrize(
    ("text", "holding"),
    [
        ('python < "3.14"', {"3.13", "3.13.5", "3.13t", "3.13.5t"}),
        ('python < "3.13t"', {"3.13", "3.13.5"}),  # how an explanation states the boundary
        ('python >= "3.13t"', {"3.13t", "3.13.5t", "3.14"}),
        ('python == "3.13t"', {"3.13t"}),
        ('python <= "3.13"', {"3.13", "3.13.5", "3.13t", "3.13.5t"}),  # as exact as it is written
        ('python > "3.13.5"', {"3.13t", "3.13.5t", "3.14"}),
        ('python >= "3.13.5t"', {"3.13t", "3.13.5t", "3.14"}),  # the series is 3.13.5t here
    ],
)
def test_a_free_threaded_build_is_behind_its_series_and_before_the_next(text: str, holding: set[str]) -> None:
    releases = {"3.13": "3.13.5", "3.13t": "3.13.5t"}
    parsed = parse(text, THREADS, HERE)
    found = {
        python
        for python in THREADS["python"]
        if parsed.matches(
            CellContext(
                axes={"python": python}, releases={"python": releases.get(python, python)}, host=Arch.X86_64
            )
        )
    }
    assert found == holding


def test_no_glibc_is_free_threaded() -> None:
    with pytest.raises(InputError, match="is not a version"):
        read('glibc < "2.36t"')


@pytest.mark.parametrize(
    ("text", "holds"),
    [('numpy == "2.0.0"', True), ('numpy == "1.26.0"', False), ('numpy in ("1.26.0", "2")', True)],
)
def test_a_version_of_a_package_means_the_same_value_in_another_notation(text: str, holds: bool) -> None:
    assert read(text).matches(CELL) is holds


@pytest.mark.parametrize("text", ['python == "3.9.0"', 'glibc == "2.31.0"', 'numpy == "9.9"', 'numpy == "x"'])
def test_what_is_no_value_of_the_axis_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="has no value"):
        read(text)


def test_another_name_of_a_value_is_named_by_the_axis_that_has_it() -> None:
    words = {**VOCABULARY, "arch": ("x86_64", "arm64")}
    aliases = {"arch": {"amd64": "x86_64"}, "probe": {"amd64": "rust"}}
    with pytest.raises(InputError) as refused:
        parse('arch == "amd64"', words, HERE, aliases)
    assert "x86_64" in refused.value.hint
    with pytest.raises(InputError) as unknown:
        parse('launcher == "amd64"', words, HERE, aliases)
    assert "rust" not in unknown.value.hint
    assert "x86_64" not in unknown.value.hint


def test_ready_asks_for_the_axes_of_the_cell() -> None:
    seen: list[object] = []

    def is_ready(axes: object) -> bool:
        seen.append(axes)
        return axes is AXES

    assert read("ready").matches(replace(CELL, is_ready=is_ready))
    assert seen == [AXES]
