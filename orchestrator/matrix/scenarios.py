"""Scenarios: the question, its programs, and what should be seen, checked as one."""

from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.adapters import yamlfile
from orchestrator.adapters.yamlfile import Document, nearest
from orchestrator.errors import InputError, Location
from orchestrator.launchers import LAUNCHERS
from orchestrator.matrix.axes import Axes, check_axes
from orchestrator.matrix.scenario_file import CLEAN, ProbeFile, ScenarioFile
from orchestrator.model import (
    STANDARD_AXES,
    AddressRange,
    Expectation,
    ExpectationRule,
    LauncherOptions,
    OutcomeKind,
    ProbeKind,
    ProbeSource,
    Scenario,
    ScenarioExclusion,
    Toolchain,
)

FILE: Final = "scenario.yaml"
MANIFEST: Final = "Cargo.toml"
CRATES: Final = "Cargo.lock"


def load_scenarios(folder: Path, axes: Axes) -> dict[str, Scenario]:
    """Load the scenarios that the matrix's `axes` name; raises InputError for whatever is wrong in one."""
    return {name: _load(folder, name, axes) for name in axes["scenario"]}


def _load(folder: Path, name: str, matrix_axes: Axes) -> Scenario:
    path = folder / name / FILE
    if not path.is_file():
        present = [item.parent.name for item in folder.glob(f"*/{FILE}")]
        raise InputError(
            f"scenario {name!r} has no {FILE}",
            hint=f"create it; {nearest(name, present)}",
            where=Location(file=yamlfile.shown(path)),
        )
    document = yamlfile.read(path, ScenarioFile)
    entry = document.value
    _check_files(document, path.parent)
    _check_own_axes(document, matrix_axes)
    return Scenario(
        name=name,
        title=entry.title,
        story=entry.story.strip(),
        folder=str(path.parent),
        driver=entry.driver,
        timeout=entry.timeout,
        trials=entry.trials,
        trials_per_container=entry.trials_per_container,
        probes=tuple(_probe(document, language, probe) for language, probe in sorted(entry.probes.items())),
        axes=entry.axes,
        exclusions=tuple(_exclusion(document, index) for index in range(len(entry.exclude))),
        launcher_options=tuple(
            _options(document, index, matrix_axes) for index in range(len(entry.launcher_options))
        ),
        rules=tuple(_rule(document, index) for index in range(len(entry.expect))),
    )


def _check_own_axes(document: Document[ScenarioFile], matrix_axes: Axes) -> None:
    check_axes(document, document.value.axes)
    for axis in document.value.axes:
        if axis in matrix_axes or axis in STANDARD_AXES:
            raise InputError(
                f"the matrix has an axis {axis!r} already",
                where=document.where("axes", axis),
                hint="give this one another name, or leave one of the two out",
            )


def _exclusion(document: Document[ScenarioFile], index: int) -> ScenarioExclusion:
    entry = document.value.exclude[index]
    return ScenarioExclusion(
        when=entry.when,
        where=document.text_start("exclude", index, "when"),
        reason=entry.reason,
        place=str(document.where("exclude", index)),
    )


def _probe(document: Document[ScenarioFile], language: ProbeKind, probe: ProbeFile) -> ProbeSource:
    """One probe, where its entry fits what it is; raises InputError."""
    place = document.where("probes", language)
    wanted, other = ("program", "module") if language.is_program else ("module", "program")
    name: str | None = getattr(probe, wanted)
    if name is None or getattr(probe, other) is not None:
        is_one = "a program" if language.is_program else "a module that Python loads"
        raise InputError(f"a {language} probe is {is_one}", where=place, hint=f"name it by `{wanted}:` alone")
    if probe.toolchain and language is ProbeKind.C_EMBED:
        raise InputError(
            "what embeds Python is compiled as the cell's libpython was",
            where=document.where("probes", language, "toolchain"),
            hint="remove `toolchain`",
        )
    if probe.toolchain is Toolchain.NATIVE and language in (ProbeKind.RUST, ProbeKind.PYO3):
        raise InputError(
            f"{language} probes are made once for all bases",
            where=document.where("probes", language, "toolchain"),
            hint=f"write {Toolchain.ZIG} or {Toolchain.GCC}",
        )
    if language is ProbeKind.PYO3 and PurePosixPath(probe.source).name != MANIFEST:
        raise InputError(
            f"the source of a {language} probe is its crate's {MANIFEST}",
            where=document.where("probes", language, "source"),
            hint=f"write for example source: {language}/{MANIFEST}",
        )
    return ProbeSource(
        language=language, source=probe.source, name=name, toolchain=probe.toolchain or Toolchain.ZIG
    )


def _options(document: Document[ScenarioFile], index: int, axes: Axes) -> LauncherOptions:
    """One entry of options, if every launcher of the matrix accepts them; raises InputError."""
    entry = document.value.launcher_options[index]
    launchers = [LAUNCHERS[name] for name in axes["launcher"] if name in LAUNCHERS]
    for place, option in enumerate(entry.options):
        for why in filter(None, (launcher.refuse(option) for launcher in launchers)):
            raise InputError(
                why,
                where=document.where("launcher_options", index, "options", place),
                hint="leave the option out",
            )
    start = document.text_start("launcher_options", index, "when")
    return LauncherOptions(when=entry.when, where=start, options=entry.options)


def _check_files(document: Document[ScenarioFile], folder: Path) -> None:
    named: dict[tuple[str, ...], str] = {("driver",): document.value.driver}
    for language, probe in document.value.probes.items():
        named["probes", language, "source"] = probe.source
        if language is ProbeKind.PYO3 and PurePosixPath(probe.source).name == MANIFEST:
            named["probes", language] = str(PurePosixPath(probe.source).with_name(CRATES))
    for place, name in named.items():
        path = folder / name
        if not path.is_file():
            raise InputError(
                f"the scenario lacks its file {name}",
                where=document.where(*place),
                hint=f"create {yamlfile.shown(path)}",
            )


def _rule(document: Document[ScenarioFile], index: int) -> ExpectationRule:
    entry = document.value.expect[index]
    _check_rule(document, index)
    place = document.where("expect", index)
    expectation = Expectation(
        kind=entry.outcome,
        status=None if entry.status == CLEAN else entry.status,
        signal=entry.signal,
        frames=entry.frames,
        fault_address=AddressRange.parse(entry.fault_address) if entry.fault_address else None,
        message=entry.message,
        absent=entry.absent,
        evidence=entry.evidence,
        survive=entry.survive,
        because=entry.because.strip(),
        source=entry.source,
        where=str(place),
    )
    start = document.text_start("expect", index, "when")
    return ExpectationRule(when=entry.when, where=start, expectation=expectation, clean=entry.status == CLEAN)


def _check_rule(document: Document[ScenarioFile], index: int) -> None:
    """A rule that names what its kind of outcome does not have can never be judged."""
    entry = document.value.expect[index]
    if entry.status is not None and entry.outcome is not OutcomeKind.EXIT:
        raise InputError(
            f"outcome {entry.outcome} has no exit status",
            hint="remove `status`",
            where=document.where("expect", index, "status"),
        )
    if entry.outcome is OutcomeKind.SIGNAL and entry.survive:
        raise InputError(
            "a cell that must crash cannot survive",
            hint="remove `survive`, or say another outcome",
            where=document.where("expect", index, "survive"),
        )
    if entry.outcome is OutcomeKind.SIGNAL and entry.signal is None:
        raise InputError(
            "outcome signal must name its signal",
            hint="add for example signal: SIGSEGV",
            where=document.where("expect", index),
        )
    if entry.outcome is not OutcomeKind.SIGNAL and (entry.signal or entry.frames or entry.fault_address):
        raise InputError(
            f"outcome {entry.outcome} has no signal, no frames and no fault address",
            hint="remove them, or say outcome: signal",
            where=document.where("expect", index),
        )
