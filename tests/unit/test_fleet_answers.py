"""What a host answers is not trusted: it harms no other cell, no other file, and not the run itself."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import __version__
from orchestrator.errors import CrashmatrixError, HostError
from orchestrator.model import (
    Arch,
    CellResult,
    ContextFile,
    ImageKind,
    ImageSpec,
    PlannedCell,
    Scenario,
    Value,
    Verdict,
)
from orchestrator.pipeline.fleet.dispatch import Dispatcher, Group
from orchestrator.pipeline.fleet.drive import Fleet
from orchestrator.pipeline.fleet.link import SLOTS, Arrived, FleetPlan, Seen
from orchestrator.pipeline.fleet.messages import (
    LENGTH,
    MOST_DOCUMENT,
    Failed,
    File,
    Look,
    Looked,
    Made,
    Make,
    Open,
    Opened,
    Order,
    Piece,
    Ran,
    Read,
    Run,
    contents,
    pack,
    unpack_answer,
    unpack_order,
)  # fmt: skip
from orchestrator.pipeline.fleet.taking import MOST_BYTES, Taking
from orchestrator.pipeline.results import Results
from orchestrator.rundir import RunFolder, layout
from orchestrator.rundir.documents import MAX_RESULT
from tests.unit.run_factory import KEY, SURVIVES, cell, result_of

TOKEN = "0" * 64
PLANNED = [
    PlannedCell(cell=cell(pair, "plain"), expectation=SURVIVES, trials=1, timeout=60, image=KEY)
    for pair in range(3)
]
MINE, OTHER, UNORDERED = PLANNED
"""The first two are ordered together, the third is not."""
Sent = dict[str, bytes]
Answer = Callable[[Order], bytes | None]


@dataclass
class Wire:
    """The way to hosts that answer at once, each with what a test gives it; None: not yet."""

    answers: dict[str, Answer]
    resources: Mapping[str, float] = field(default_factory=lambda: {SLOTS: 1.0, "x86_64": 1.0})
    asked: list[tuple[str, Order]] = field(default_factory=list)
    late: dict[str, list[int]] = field(default_factory=dict)
    arrived: list[Arrived] = field(default_factory=list)

    def hosts(self) -> Mapping[str, Seen]:
        return {name: Seen(name=name, resources=self.resources, heard=0.0) for name in self.answers}

    def ask(self, host: str, frame: bytes, resources: Mapping[str, float]) -> int:  # noqa: ARG002
        order, _ = unpack_order(frame)
        self.asked.append((host, order))
        number, answer = len(self.asked), self.answers[host](order)
        if answer is None:
            self.late.setdefault(host, []).append(number)
        else:
            self.arrived.append(Arrived(order=number, frame=answer))
        return number

    def forget(self, order: int) -> None:
        pass

    def tell(self, host: str, token: str, what: str) -> None:
        pass

    def answer(self, timeout: float) -> Arrived | None:  # noqa: ARG002
        return self.arrived.pop(0) if self.arrived else None


@dataclass
class Said:
    """Progress that keeps what is said."""

    lines: list[str] = field(default_factory=list)
    ended: list[CellResult] = field(default_factory=list)

    def begin(self, images: int, cells: int) -> None: ...
    def image_started(self, role: str) -> None: ...
    def image_ended(self, role: str, seconds: float, error: str | None) -> None: ...
    def cell_started(self, cell: str) -> None: ...

    def cell_ended(self, result: CellResult) -> None:
        self.ended.append(result)

    def say(self, text: str) -> None:
        self.lines.append(text)


def taking(folder: Path) -> Taking:
    scenario = Scenario(
        name="tls-atexit", title="A cell", story="test", folder="/nonexistent", driver="driver.py",
        timeout=60.0, trials=1, probes=(),
    )  # fmt: skip
    results = Results(
        run_name="own", run_folder=RunFolder(folder / "run"), project=folder,
        scenarios={"tls-atexit": scenario}, specs=specs(), host_arch=Arch.X86_64,
    )  # fmt: skip
    return Taking(results=results)


def specs() -> dict[str, ImageSpec]:
    return {KEY: ImageSpec(role="cell", kind=ImageKind.EMPTY, arch=Arch.X86_64, text="", key=KEY)}


def fleet(folder: Path, answers: Mapping[str, Answer], cells: Sequence[PlannedCell] = (MINE, OTHER)) -> Fleet:
    """A run of cells that share one container, on hosts with these answers."""
    opening = Open(token=TOKEN, scenarios=(), slots=1, memory=1 << 30, registry=None)
    group = Group(image=KEY, arch="x86_64", cells=tuple(range(len(cells))), seconds=1.0)
    now = iter(range(1_000_000))
    return Fleet(
        link=Wire(dict(answers)),
        plan=FleetPlan(token=TOKEN, cells=cells, specs=specs(), arch="x86_64", opening=opening),
        dispatcher=Dispatcher([group], len(cells)),
        taking=taking(folder),
        progress=Said(),
        silence=1e5,
        patience=20.0,
        clock=lambda: float(next(now)),
    )


def go(run: Fleet, steps: int = 300) -> Said:
    """Drive the run to its end; it must come to one."""
    for _ in range(steps):
        if run.is_over:
            break
        run.step(0.0)
    assert run.is_over, "the run does not end"
    assert isinstance(run.progress, Said)
    return run.progress


def good(order: Order) -> bytes:
    """What a host answers that does as it should."""
    match order:
        case Look():
            return pack(Looked(version=__version__, arch="x86_64", arches=("x86_64",), engine="docker"))
        case Open():
            return pack(Opened(slots=1))
        case Make():
            return pack(Made(image="sha256:0"))
        case Run():
            return ran(*[files_of(item) for group in order.groups for item in group])
        case Read():
            raise AssertionError("no large file was left")


def instead(kind: type[Value], *answers: bytes) -> Answer:
    """A good host but for its first answers to one kind of order; the last one is repeated."""
    left = list(answers)

    def answer(order: Order) -> bytes:
        return (left.pop(0) if len(left) > 1 else left[0]) if isinstance(order, kind) else good(order)

    return answer


def files_of(planned: PlannedCell) -> Sent:
    result = result_of(planned)
    sent = {result.trials[0].outcome.stdout: b"out\n", result.trials[0].outcome.stderr: b""}
    return {**sent, layout.result_file(planned.cell): result.model_dump_json().encode()}


def ran(*sent: Sent, **more: object) -> bytes:
    """An answer with files."""
    files = {name: data for item in sent for name, data in item.items()}
    listed = tuple(File(name=name, size=len(data)) for name, data in files.items())
    answer = Ran(host="evil", folder="/cache", files=listed).model_copy(update=more)
    return pack(answer, list(files.values()))


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def expected_files(*cells: PlannedCell) -> set[str]:
    return {f"run/{name}" for planned in cells for name in files_of(planned)}


def test_a_good_host_brings_each_cell_once(tmp_path: Path) -> None:
    said = go(fleet(tmp_path, {"good": good}))
    assert [item.cell for item in said.ended] == [MINE.cell, OTHER.cell]
    assert written(tmp_path) == expected_files(MINE, OTHER)
    assert {item.run for item in said.ended} == {"own"}


DOCUMENT = {"kind": "looked", "version": __version__, "arch": "x86_64", "arches": ["x86_64"], "engine": ""}


def frame(document: object) -> bytes:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return len(text).to_bytes(LENGTH, "big") + text


WRONG = {
    "empty": b"",
    "cut off": frame(DOCUMENT)[:-1],
    "longer than it is": (1 << 62).to_bytes(LENGTH, "big") + b"{}",
    "no JSON": frame(b"\xff{"),
    "deep": frame(b"[" * 100_000),
    "another kind": frame({**DOCUMENT, "kind": "look"}),
    "an unknown field": frame({**DOCUMENT, "more": 1}),
    "another type": frame({**DOCUMENT, "arches": "x86_64"}),
    "a long text": frame({**DOCUMENT, "engine": "x" * (1 << 20) + "x"}),
    "half a character": frame(b'{"kind":"looked","version":"\\ud800","arch":"","arches":[],"engine":""}'),
    "a number without bound": frame({"kind": "opened", "slots": 10**400}),
    "no slots": frame({"kind": "opened", "slots": 0}),
    "no number": frame(b'{"kind":"made","seconds":NaN}'),
    "a negative size": frame({"kind": "piece", "files": [{"name": "a", "size": -1}]}),
    "a host in two lines": frame({"kind": "ran", "host": "a\ncore: b:/c", "folder": "/cache"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(HostError, match="not a message of this version"):
        unpack_answer(WRONG[name])


def test_a_document_larger_than_any_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.pipeline.fleet.messages.MOST_DOCUMENT", 10)
    assert MOST_DOCUMENT > 10
    with pytest.raises(HostError, match="a document of"):
        unpack_answer(frame(DOCUMENT))


@settings(max_examples=300)
@given(st.binary(max_size=60) | st.binary(max_size=60).map(frame))
def test_bytes_are_an_answer_or_an_error_of_ours(data: bytes) -> None:
    with suppress(HostError):
        unpack_answer(data)


Documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(
    kind=st.sampled_from(["looked", "opened", "made", "ran", "piece", "failed"]),
    fields=st.dictionaries(
        st.sampled_from(["files", "needs", "failure", "slots", "host", "folder", "what", "seconds", "left"]),
        Documents,
    ),
)
def test_any_document_is_an_answer_or_an_error_of_ours(kind: str, fields: dict[str, object]) -> None:
    try:
        answer, _ = unpack_answer(frame({**fields, "kind": kind}))
    except HostError:
        return
    assert unpack_answer(pack(answer))[0] == answer


@settings(max_examples=200)
@given(sizes=st.lists(st.integers(0, 40), max_size=5), rest=st.binary(max_size=100))
def test_contents_are_all_that_follows_or_refused(sizes: list[int], rest: bytes) -> None:
    files = [File(name=f"{number}", size=size) for number, size in enumerate(sizes)]
    try:
        found = contents(files, rest)
    except HostError:
        assert sum(sizes) != len(rest)
    else:
        assert b"".join(data for _, data in found) == rest
        assert [len(data) for _, data in found] == sizes


@pytest.mark.parametrize("kind", [Look, Open, Make, Run])
@pytest.mark.parametrize("name", ["empty", "an unknown field", "no slots"])
def test_a_host_that_answers_nonsense_ends_no_run(kind: type[Value], name: str, tmp_path: Path) -> None:
    said = go(fleet(tmp_path, {"evil": instead(kind, WRONG[name]), "good": good}))
    assert sorted(item.judgement.verdict for item in said.ended) == [Verdict.PASS, Verdict.PASS]
    assert written(tmp_path) == expected_files(MINE, OTHER)
    assert any(line.startswith("evil: not a message of this version") for line in said.lines)


OUT_OF_TURN = {
    "looked": pack(Looked(version=__version__, arch="x86_64", arches=("x86_64",), engine="")),
    "opened": pack(Opened(slots=1)),
    "made": pack(Made(image="sha256:0")),
    "ran": ran({}),
    "piece": pack(Piece(files=())),
    "failed": pack(Failed(what="no")),
}
FITS = {Look: "looked", Open: "opened", Make: "made", Run: "ran"}


@pytest.mark.parametrize(
    ("kind", "answer"), [(kind, name) for kind in FITS for name in OUT_OF_TURN if FITS[kind] != name]
)
def test_an_answer_to_another_order_is_refused(kind: type[Value], answer: str, tmp_path: Path) -> None:
    """The host that is alone with it is refused too: nobody waits for it without end."""
    run = fleet(tmp_path, {"evil": instead(kind, OUT_OF_TURN[answer])})
    said = go(run)
    refused = "no" if answer == "failed" else "it answered something else than what was asked"
    assert f"evil: {refused}" in said.lines
    assert not any(item.judgement.verdict is Verdict.PASS for item in said.ended)
    assert written(tmp_path) <= expected_files(MINE, OTHER)


def test_results_of_cells_that_were_not_ordered_are_not_written(tmp_path: Path) -> None:
    run = fleet(tmp_path, {"evil": instead(Run, ran(*map(files_of, PLANNED)))}, (MINE, OTHER))
    assert {item.cell for item in go(run).ended} == {MINE.cell, OTHER.cell}
    assert written(tmp_path) == expected_files(MINE, OTHER)


def test_a_result_of_another_cell_in_a_cells_folder_is_refused(tmp_path: Path) -> None:
    forged = {
        **files_of(MINE),
        layout.result_file(MINE.cell): result_of(UNORDERED).model_dump_json().encode(),
    }
    said = go(fleet(tmp_path, {"evil": instead(Run, ran(forged)), "good": good}))
    assert f"evil: evil answered for another cell than {MINE.cell.id}" in said.lines
    assert {item.cell for item in said.ended} == {MINE.cell, OTHER.cell}
    assert written(tmp_path) == expected_files(MINE, OTHER)


def test_what_a_host_says_of_the_plan_is_the_plans_own(tmp_path: Path) -> None:
    lie = result_of(MINE).model_copy(
        update={"run": "x", "image": "1" * 64, "repeat": "rm -rf /", "memory": 1, "packages": {"evil": "1"}}
    )
    sent = {**files_of(MINE), layout.result_file(MINE.cell): lie.model_dump_json().encode()}
    run = fleet(tmp_path, {"evil": instead(Run, ran(sent))}, [MINE])
    (result,) = go(run).ended
    assert (result.run, result.image, result.packages, result.memory) == ("own", KEY, {}, MINE.memory)
    assert "rm" not in result.repeat


@pytest.mark.parametrize(
    "change", [{"trials": "twice"}, {"schema_version": 1}, {"trials": [{"number": -1}]}, {"more": 1}]
)
def test_a_result_against_its_schema_is_not_written(change: dict[str, object], tmp_path: Path) -> None:
    document = json.loads(result_of(MINE).model_dump_json())
    if change.get("trials") == "twice":
        change = {"trials": document["trials"] * 2}  # more than were ordered
    bad = {**files_of(MINE), layout.result_file(MINE.cell): json.dumps(document | change).encode()}
    said = go(fleet(tmp_path, {"evil": instead(Run, ran(bad))}, [MINE]))
    assert [item.judgement.verdict for item in said.ended] == [Verdict.ERROR] or not said.ended
    results = [path for path in written(tmp_path) if path.endswith(layout.RESULT)]
    assert all(
        json.loads((tmp_path / path).read_text())["judgement"]["verdict"] == "error" for path in results
    )


FOLDER = layout.cell_folder(MINE.cell)
OUTSIDE = [
    f"{FOLDER}/../../../../outside",
    f"{FOLDER}/../{UNORDERED.cell.id.split('/')[1]}/result.json",
    f"{FOLDER}//outside",
    f"{FOLDER}/./outside",
    f"{FOLDER}/outside/",
    f"{FOLDER}/",
    f"{FOLDER}/a\0b",
    f"{FOLDER}/{'x' * 256}",
    f"{FOLDER}/a/b/c/d/e/f/g",
    f"{FOLDER}/..",
]
ELSEWHERE = ["/etc/outside", "../outside", "plan.json", "images/outside", f"{FOLDER}x/outside", FOLDER, ""]


@pytest.mark.parametrize("where", ["files", "left", "cores"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_names_that_lead_out_of_a_cells_folder_are_refused(name: str, where: str, tmp_path: Path) -> None:
    if where == "files":
        evil = ran(files_of(MINE), {name: b"owned"})
    else:
        evil = ran(files_of(MINE), **{where: (File(name=name, size=5),)})
    run = fleet(tmp_path, {"evil": instead(Run, evil), "good": good}, [MINE])
    run.cores = True
    said = go(run)
    assert any("is no name of a file of a cell" in line for line in said.lines)
    assert written(tmp_path) == expected_files(MINE)
    assert [item.judgement.verdict for item in said.ended] == [Verdict.PASS]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_files_of_no_ordered_cell_are_not_written(name: str, tmp_path: Path) -> None:
    said = go(fleet(tmp_path, {"evil": instead(Run, ran(files_of(MINE), {name: b"owned"}))}, [MINE]))
    assert written(tmp_path) == expected_files(MINE)
    assert [item.judgement.verdict for item in said.ended] == [Verdict.PASS]


@settings(max_examples=150)
@given(
    parts=st.lists(
        st.sampled_from(["..", ".", "", "a", "trial-1", "\0", "ü", "x" * 256, "result.json"])
        | st.text(max_size=4),
        max_size=8,
    )
)
def test_a_name_stays_below_its_cell_or_is_refused(
    parts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    name = "/".join([FOLDER, *parts])
    try:
        files = taking(tmp_path_factory.getbasetemp()).files_of(MINE, [File(name=name, size=1)])
    except HostError:
        return
    for file in files:
        assert os.path.normpath(file.name) == file.name
        assert file.name.startswith(f"{FOLDER}/")


def test_a_link_that_a_run_folder_has_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "run" / layout.CELLS).mkdir(parents=True)
    (tmp_path / "run" / FOLDER).parent.mkdir()
    (tmp_path / "run" / FOLDER).symlink_to(tmp_path / "away")
    with pytest.raises(CrashmatrixError):
        taking(tmp_path).write(f"{FOLDER}/result.json", b"owned")
    assert not list((tmp_path / "away").iterdir())


def test_logs_are_those_of_wanted_images(tmp_path: Path) -> None:
    folder = f"images/{specs()[KEY].folder}/"
    for name in ("images/other/build.log", f"{folder}../../plan.json", f"{folder}../x", "plan.json"):
        with pytest.raises(HostError, match="is no "):
            taking(tmp_path).logs([(File(name=name, size=1), b"x")], {KEY: folder})
    taking(tmp_path).logs([(File(name=f"{folder}build.log", size=1), b"x")], {KEY: folder})
    assert written(tmp_path) == {f"run/{folder}build.log"}


def large(size: int, name: str = f"{FOLDER}/trial-1/large") -> Answer:
    """A host that has one large file, of a piece of 3 bytes each time."""

    def answer(order: Order) -> bytes:
        if isinstance(order, Run):
            files = files_of(MINE)
            files.pop(name, None)
            return ran(files, left=(File(name=name, size=size),))
        if isinstance(order, Read):
            return pack(Piece(files=(File(name=order.name, size=3),)), [b"abc"])
        return good(order)

    return answer


def test_large_files_come_by_the_piece(tmp_path: Path) -> None:
    said = go(fleet(tmp_path, {"good": large(6)}, [MINE]))
    assert (tmp_path / "run" / FOLDER / "trial-1" / "large").read_bytes() == b"abcabc"
    assert [item.judgement.verdict for item in said.ended] == [Verdict.PASS]


@pytest.mark.parametrize(
    ("size", "name", "why"),
    [
        (MOST_BYTES + 1, f"{FOLDER}/trial-1/large", "are larger than any trial's"),
        (MAX_RESULT + 1, layout.result_file(MINE.cell), "is larger than 32 MiB"),
    ],
)
def test_what_is_larger_than_anything_is_not_asked_for(
    size: int, name: str, why: str, tmp_path: Path
) -> None:
    run = fleet(tmp_path, {"evil": large(size, name), "good": good}, [MINE])
    said = go(run)
    assert any(why in line for line in said.lines)
    assert isinstance(run.link, Wire)
    assert not any(isinstance(order, Read) for _, order in run.link.asked)
    assert written(tmp_path) == expected_files(MINE)


LARGE = f"{FOLDER}/trial-1/large"


@pytest.mark.parametrize(
    "piece",
    [
        pack(Piece(files=())),
        pack(Piece(files=(File(name=LARGE, size=1),) * 2), [b"a", b"b"]),
        pack(Piece(files=(File(name=LARGE, size=0),))),
        pack(Piece(files=(File(name=LARGE, size=7),)), [b"abcdefg"]),
        pack(Piece(files=(File(name=LARGE, size=9),)), [b"abc"]),
        pack(Piece(files=(File(name="plan.json", size=3),)), [b"abc"]),
    ],
)
def test_a_piece_of_something_else_is_refused(piece: bytes, tmp_path: Path) -> None:
    evil = large(6)
    answers: dict[str, Answer] = {
        "evil": lambda order: piece if isinstance(order, Read) else evil(order),
        "good": good,
    }
    said = go(fleet(tmp_path, answers, [MINE]))
    assert any(line.startswith("evil: ") for line in said.lines)
    assert [item.judgement.verdict for item in said.ended] == [Verdict.PASS]
    assert written(tmp_path) - {f"run/{LARGE}"} == expected_files(MINE)


def test_a_host_that_asks_for_the_same_files_again_is_refused(tmp_path: Path) -> None:
    """Else it would be sent them without end."""
    source = tmp_path / "driver.py"
    source.write_text("pass\n")
    run = fleet(tmp_path, {"evil": good}, [MINE])
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    driver = ContextFile(name="driver.py", sha256=digest, path=str(source))
    run.plan = replace(run.plan, specs={KEY: specs()[KEY].model_copy(update={"files": (driver,)})})
    assert isinstance(run.link, Wire)
    run.link.answers["evil"] = instead(Make, pack(Made(needs=(digest,))))
    said = go(run)
    assert "evil: it asks again for files that it was sent" in said.lines
    assert sum(isinstance(order, Make) for _, order in run.link.asked) == 2


def test_a_host_is_sent_no_file_that_its_image_does_not_name(tmp_path: Path) -> None:
    run = fleet(tmp_path, {"evil": instead(Make, pack(Made(needs=("a" * 64,))))}, [MINE])
    assert "evil: it asks for files that no recipe names" in go(run).lines


@pytest.mark.parametrize("large_file", [b"", b"abc"])
def test_a_second_result_for_a_cell_is_dropped(large_file: bytes, tmp_path: Path) -> None:
    """A host that was cut off answers after another one: what is there stays as it is."""
    held = {"late": lambda order: None if isinstance(order, Run) else good(order)}
    run = fleet(tmp_path, dict(held), [MINE])
    assert isinstance(run.link, Wire)
    assert isinstance(run.progress, Said)
    for _ in range(20):
        run.step(0.0)
    (order,) = run.link.late["late"]
    member = run._members["late"]
    run._lose(member, "is cut off")
    run.link.answers["good"] = good
    go(run)
    before = {name: (tmp_path / name).read_bytes() for name in written(tmp_path)}
    lie = result_of(MINE).model_copy(update={"started": "2000-01-01T00:00:00+00:00"})
    sent = {**files_of(MINE), layout.result_file(MINE.cell): lie.model_dump_json().encode()}
    name = f"{FOLDER}/trial-1/stdout.txt"
    evil = ran({**sent, name: large_file}, left=(File(name=f"{FOLDER}/late", size=0),))
    run._arrived(Arrived(order=order, frame=evil))
    run._arrived(Arrived(order=order, frame=evil))
    assert {name: (tmp_path / name).read_bytes() for name in written(tmp_path)} == before
    assert run.dropped == 1
    assert len(run.progress.ended) == 1
    assert f"{MINE.cell.id}: late sent a second result, which is dropped." in run.progress.lines


def test_a_host_whose_answer_cannot_be_right_is_asked_for_nothing_more(tmp_path: Path) -> None:
    run = fleet(tmp_path, {"evil": instead(Run, WRONG["empty"]), "good": good})
    go(run)
    assert isinstance(run.link, Wire)
    assert [host for host, order in run.link.asked if isinstance(order, Run)] == ["evil", "good", "good"]
