"""Scenarios: the question, its programs, and what should be seen, checked as one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.adapters import yamlfile
from orchestrator.adapters.suggest import nearest
from orchestrator.adapters.yamlfile import Document
from orchestrator.errors import ErrorList, InputError, Location
from orchestrator.launchers import LAUNCHERS, Launcher
from orchestrator.matrix.axes import Axes, check_axes
from orchestrator.matrix.expression import Aliases, Constant, Expression, parse
from orchestrator.matrix.rules import Exclusion, ExpectationRule, LauncherOptions, ScenarioRules
from orchestrator.matrix.scenario_file import CLEAN, ExpectFile, ProbeFile, ScenarioFile
from orchestrator.model import (
    STANDARD_AXES,
    AddressRange,
    Expectation,
    OutcomeKind,
    ProbeKind,
    ProbeSource,
    Scenario,
    Toolchain,
)

FILE: Final = "scenario.yaml"
MANIFEST: Final = "Cargo.toml"
CRATES: Final = "Cargo.lock"


@dataclass(frozen=True, kw_only=True)
class ScenarioSource:
    """A scenario.yaml as it was read; its mistakes go to `errors`, which are raised before `scenario`."""

    name: str
    folder: Path
    document: Document[ScenarioFile]
    errors: ErrorList

    @classmethod
    def read(cls, folder: Path, name: str, errors: ErrorList) -> "ScenarioSource | None":
        """Read scenarios/NAME/scenario.yaml; None where it is no such file at all."""
        path = folder / name / FILE
        with errors.collect():
            if not path.is_file():
                present = [item.parent.name for item in folder.glob(f"*/{FILE}")]
                raise InputError(
                    f"scenario {name!r} has no {FILE}",
                    hint=f"create it; {nearest(name, present)}",
                    where=Location(file=yamlfile.shown(path)),
                )
            document = yamlfile.read(path, ScenarioFile, errors)
            return cls(name=name, folder=path.parent, document=document, errors=errors)
        return None

    @property
    def axes(self) -> Axes:
        """The scenario's own axes."""
        return self.document.value.axes

    def check(self, matrix_axes: Axes, aliases: Aliases) -> None:
        """Add to the errors what is wrong in the file beside its form and its expressions."""
        document, entry = self.document, self.document.value
        self.errors.add(*_file_errors(document, self.folder))
        check_axes(document, entry.axes, self.errors, aliases)
        for axis in entry.axes:
            if axis in matrix_axes or axis in STANDARD_AXES:
                what = f"the matrix has an axis {axis!r} already"
                hint = "give this one another name, or leave one of the two out"
                self.errors.add(InputError(what, where=document.where("axes", axis), hint=hint))
        for language, probe in entry.probes.items():
            self.errors.add(*_probe_errors(document, language, probe))
        launchers = [LAUNCHERS[name] for name in matrix_axes["launcher"] if name in LAUNCHERS]
        self.errors.add(*_option_errors(document, launchers))
        for index, rule in enumerate(entry.expect):
            self.errors.add(*_expectation_errors(document, index, rule))

    def rules(self, matrix_axes: Axes, aliases: Aliases) -> ScenarioRules:
        """The file's rules with their expressions parsed, which may name the matrix's axes and its own."""
        document, entry = self.document, self.document.value
        vocabulary = {**matrix_axes, **entry.axes}

        def parsed(field: str, index: int, text: str) -> Expression:
            with self.errors.collect():
                return parse(text, vocabulary, document.text_start(field, index, "when"), aliases)
            return Constant(False)

        for field in ("exclude", "launcher_options", "expect"):
            for text, place in document.texts_left_out(field, "when"):
                with self.errors.collect():
                    parse(text, vocabulary, place, aliases)
        return ScenarioRules(
            file=document.file,
            exclusions=tuple(
                Exclusion(
                    when=parsed("exclude", index, item.when),
                    reason=item.reason,
                    where=str(document.where("exclude", index)),
                )
                for index, item in enumerate(entry.exclude)
            ),
            options=tuple(
                LauncherOptions(when=parsed("launcher_options", index, item.when), options=item.options)
                for index, item in enumerate(entry.launcher_options)
            ),
            expect=tuple(
                ExpectationRule(
                    when=parsed("expect", index, item.when),
                    expectation=_expectation(item, where=str(document.where("expect", index))),
                    clean=item.status == CLEAN,
                )
                for index, item in enumerate(entry.expect)
            ),
        )

    def scenario(self) -> Scenario:
        """The scenario of a file without mistakes."""
        entry = self.document.value
        return Scenario(
            name=self.name,
            title=entry.title,
            story=entry.story.strip(),
            folder=str(self.folder),
            driver=entry.driver,
            timeout=entry.timeout,
            trials=entry.trials,
            trials_per_container=entry.trials_per_container,
            probes=tuple(_probe(language, probe) for language, probe in sorted(entry.probes.items())),
            axes=entry.axes,
        )


def _names(language: ProbeKind) -> tuple[str, str]:
    """The key that names what a probe is, and the one that it must not have."""
    return ("program", "module") if language.is_program else ("module", "program")


def _probe(language: ProbeKind, probe: ProbeFile) -> ProbeSource:
    name = getattr(probe, _names(language)[0])
    toolchain = probe.toolchain or Toolchain.ZIG
    return ProbeSource(language=language, source=probe.source, name=name, toolchain=toolchain)


def _probe_errors(
    document: Document[ScenarioFile], language: ProbeKind, probe: ProbeFile
) -> Iterator[InputError]:
    """Where the entry of a probe does not fit what the probe is."""
    wanted, other = _names(language)
    if getattr(probe, wanted) is None or getattr(probe, other) is not None:
        is_one = "a program" if language.is_program else "a module that Python loads"
        yield InputError(
            f"a {language} probe is {is_one}",
            where=document.where("probes", language),
            hint=f"name it by `{wanted}:` alone",
        )
    if probe.toolchain and language is ProbeKind.C_EMBED:
        yield InputError(
            "a program that embeds Python is compiled as the cell's libpython was",
            where=document.where("probes", language, "toolchain"),
            hint="remove `toolchain`",
        )
    if probe.toolchain is Toolchain.NATIVE and language in (ProbeKind.RUST, ProbeKind.PYO3):
        yield InputError(
            f"{language} probes are compiled once for all bases",
            where=document.where("probes", language, "toolchain"),
            hint=f"write {Toolchain.ZIG} or {Toolchain.GCC}",
        )
    if language is ProbeKind.PYO3 and PurePosixPath(probe.source).name != MANIFEST:
        yield InputError(
            f"the source of a {language} probe is its crate's {MANIFEST}",
            where=document.where("probes", language, "source"),
            hint=f"write for example source: {language}/{MANIFEST}",
        )


def _option_errors(document: Document[ScenarioFile], launchers: Sequence[Launcher]) -> Iterator[InputError]:
    """Options that a launcher of the matrix refuses."""
    for index, entry in enumerate(document.value.launcher_options):
        for place, option in enumerate(entry.options):
            where = document.where("launcher_options", index, "options", place)
            for why in filter(None, (launcher.refuse(option) for launcher in launchers)):
                yield InputError(why, where=where, hint="leave the option out")


def _file_errors(document: Document[ScenarioFile], folder: Path) -> Iterator[InputError]:
    """Files that the scenario names and does not have."""
    named: dict[tuple[str, ...], str] = {}
    if "driver" not in document.broken:
        named["driver",] = document.value.driver
    for language, probe in document.value.probes.items():
        named["probes", language, "source"] = probe.source
        if language is ProbeKind.PYO3 and PurePosixPath(probe.source).name == MANIFEST:
            named["probes", language] = str(PurePosixPath(probe.source).with_name(CRATES))
    for place, name in named.items():
        path = folder / name
        if not path.is_file():
            yield InputError(
                f"the scenario lacks its file {name}",
                where=document.where(*place),
                hint=f"create {yamlfile.shown(path)}",
            )


def _expectation(entry: ExpectFile, where: str) -> Expectation:
    return Expectation(
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
        where=where,
    )


def _expectation_errors(
    document: Document[ScenarioFile], index: int, entry: ExpectFile
) -> Iterator[InputError]:
    """Where a rule names what its kind of outcome does not have, so that it could never be judged."""
    if entry.status is not None and entry.outcome is not OutcomeKind.EXIT:
        yield InputError(
            f"outcome {entry.outcome} has no exit status",
            hint="remove `status`",
            where=document.where("expect", index, "status"),
        )
    if entry.outcome is OutcomeKind.SIGNAL and entry.survive:
        yield InputError(
            "a cell that must crash cannot survive",
            hint="remove `survive`, or state another outcome",
            where=document.where("expect", index, "survive"),
        )
    if entry.outcome is OutcomeKind.SIGNAL and entry.signal is None:
        yield InputError(
            "outcome signal must name its signal",
            hint="add for example signal: SIGSEGV",
            where=document.where("expect", index),
        )
    if entry.outcome is not OutcomeKind.SIGNAL and (entry.signal or entry.frames or entry.fault_address):
        yield InputError(
            f"outcome {entry.outcome} has no signal, no frames and no fault address",
            hint="remove them, or write outcome: signal",
            where=document.where("expect", index),
        )
