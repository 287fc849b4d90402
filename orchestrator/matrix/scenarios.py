"""Scenarios: question, programs and expectations, validated together."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orchestrator.adapters import yamlfile
from orchestrator.adapters.suggest import nearest
from orchestrator.adapters.yamlfile import Document
from orchestrator.errors import ErrorList, InputError, Location
from orchestrator.launchers import LAUNCHERS
from orchestrator.matrix.axes import Axes, check_axes
from orchestrator.matrix.expectations import default_of, expectation_errors, expectation_of
from orchestrator.matrix.expression import Aliases, Constant, Expression, parse
from orchestrator.matrix.launcher_options import refused_options
from orchestrator.matrix.packages import LatestOf, package_axes, unknown_latest
from orchestrator.matrix.rules import Exclusion, ExpectationRule, LauncherOptions, ScenarioRules
from orchestrator.matrix.scenario_errors import file_errors, name_keys, probe_errors, start_errors
from orchestrator.matrix.scenario_file import CLEAN, ProbeFile, ScenarioFile
from orchestrator.matrix.scenario_names import FILE, SUFFIX, present_names
from orchestrator.matrix.serving import serving_errors, serving_of
from orchestrator.matrix.user_code import TIMEOUT, TIMEOUTS, CodeReader, title_of
from orchestrator.model import (
    ABSENT,
    STANDARD_AXES,
    PackageAxis,
    ProbeKind,
    ProbeSource,
    Scenario,
    Toolchain,
    UserCode,
)
from orchestrator.supervisor.targets import DRIVER


@dataclass(frozen=True, kw_only=True)
class ScenarioSource:
    """A scenario's file as it was read; its mistakes go to `errors`, which are raised before `scenario`.

    `folder` is what its paths are relative to, `project` the project's; both are resolved.
    """

    name: str
    folder: Path
    project: Path
    document: Document[ScenarioFile]
    errors: ErrorList
    latest_of: LatestOf = unknown_latest

    @classmethod
    def read(
        cls, folder: Path, name: str, errors: ErrorList, latest_of: LatestOf = unknown_latest
    ) -> "ScenarioSource | None":
        """Read scenarios/NAME/scenario.yaml or scenarios/NAME.yaml; None where there is neither."""
        inner, beside = folder / name / FILE, folder / f"{name}{SUFFIX}"
        path = beside if beside.is_file() else inner
        with errors.collect():
            if not path.is_file():
                raise InputError(
                    f"scenario {name!r} has no {FILE}",
                    hint=f"create it; {nearest(name, present_names(folder))}",
                    where=Location(file=yamlfile.shown(path)),
                )
            if path is beside and inner.is_file():
                what = f"scenario {name!r} has two files, this one and {yamlfile.shown(inner)}"
                raise InputError(what, where=Location(file=yamlfile.shown(path)), hint="remove one")
            document = yamlfile.read(path, ScenarioFile, errors, root=folder.parent)
            project = folder.parent.resolve()
            return cls(
                name=name,
                folder=project if path is beside else path.parent.resolve(),
                project=project,
                document=document,
                errors=errors,
                latest_of=latest_of,
            )
        return None

    @property
    def axes(self) -> Axes:
        """The scenario's own axes, and its packages."""
        return {**self.document.value.axes, **{item.axis: item.versions for item in self.packages}}

    @property
    def probes(self) -> frozenset[str]:
        """The values of the probe axis that it has cells for."""
        return frozenset(self.document.value.probes or (ABSENT,))

    @cached_property
    def packages(self) -> tuple[PackageAxis, ...]:
        """Its packages whose versions are axes; mistakes go to the errors, once."""
        return package_axes(self.document, self.document.value.axes, self.latest_of, self.errors)

    @cached_property
    def code(self) -> UserCode | None:
        """The user's code that it runs, if any; mistakes go to the errors, once."""
        return self._reader.read(self.packages)

    @property
    def _kind(self) -> str:
        """The kind of target that its launchers start."""
        return self.code.kind if self.code and self.code.is_copied else DRIVER

    @property
    def _reader(self) -> CodeReader:
        return CodeReader(
            document=self.document, folder=self.folder, project=self.project, errors=self.errors
        )

    def check(self, matrix_axes: Axes, aliases: Aliases) -> None:
        """Add the mistakes of the file that neither its form nor its expressions show."""
        document, entry, code = self.document, self.document.value, self.code
        self.errors.add(*file_errors(document, self.folder, code))
        check_axes(document, entry.axes, self.errors, aliases)
        for axis in self.axes:
            if axis in matrix_axes or axis in STANDARD_AXES:
                what = f"the matrix has an axis {axis!r} already"
                hint = "give this one another name, or leave one of the two out"
                place = document.where("axes", axis) if axis in entry.axes else document.where("packages")
                self.errors.add(InputError(what, where=place, hint=hint))
        for language, probe in entry.probes.items():
            self.errors.add(*probe_errors(document, language, probe))
        launchers = [LAUNCHERS[name] for name in matrix_axes["launcher"] if name in LAUNCHERS]
        if code and code.is_copied:
            self.errors.add(*start_errors(document, code, launchers))
        self.errors.add(*serving_errors(document, code))
        for index, rule in enumerate(entry.expect):
            self.errors.add(*expectation_errors(document, index, rule))

    def rules(self, matrix_axes: Axes, aliases: Aliases) -> ScenarioRules:
        """The file's rules with their expressions parsed, which may name the matrix's axes and its own."""
        document, entry = self.document, self.document.value
        vocabulary = {**matrix_axes, **self.axes}

        def parsed(field: str, index: int, text: str) -> Expression:
            with self.errors.collect():
                return parse(text, vocabulary, document.text_start(field, index, "when"), aliases)
            return Constant(False)

        for field in ("exclude", "launcher_options", "expect"):
            for text, place in document.texts_left_out(field, "when"):
                with self.errors.collect():
                    parse(text, vocabulary, place, aliases)
        options = tuple(
            LauncherOptions(when=parsed("launcher_options", index, item.when), options=item.options)
            for index, item in enumerate(entry.launcher_options)
        )
        self.errors.add(*refused_options(document, options, vocabulary, self._kind))
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
            options=options,
            expect=tuple(
                ExpectationRule(
                    when=parsed("expect", index, item.when),
                    expectation=expectation_of(item, where=str(document.where("expect", index))),
                    clean=item.status == CLEAN,
                )
                for index, item in enumerate(entry.expect)
            ),
            default=default_of(str(document.where(self._reader.kind)))
            if self.code or not entry.expect
            else None,
        )

    def scenario(self) -> Scenario:
        """The scenario of a file without mistakes."""
        entry, kind = self.document.value, self._reader.kind
        return Scenario(
            name=self.name,
            title=title_of(entry, kind),
            story=entry.story.strip(),
            question=" ".join(entry.question.split()),
            folder=str(self.folder),
            driver=entry.driver or "",
            timeout=entry.timeout or TIMEOUTS.get(kind, TIMEOUT),
            memory=entry.memory,
            trials=entry.trials,
            trials_per_container=entry.trials_per_container,
            probes=tuple(_probe(language, probe) for language, probe in sorted(entry.probes.items())),
            code=self.code,
            serving=serving_of(entry, self.code),
            axes=dict(self.axes),
        )


def _probe(language: ProbeKind, probe: ProbeFile) -> ProbeSource:
    name = getattr(probe, name_keys(language)[0])
    toolchain = probe.toolchain or Toolchain.ZIG
    return ProbeSource(language=language, source=probe.source, name=name, toolchain=toolchain)
