"""Mistakes in a scenario's file that its form does not show: in probes, files and launchers."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.adapters import yamlfile
from orchestrator.adapters.yamlfile import Document
from orchestrator.errors import InputError
from orchestrator.launchers import LAUNCHERS, Launcher
from orchestrator.matrix.scenario_file import ProbeFile, ScenarioFile
from orchestrator.model import ProbeKind, Toolchain, UserCode

MANIFEST: Final = "Cargo.toml"
CRATES: Final = "Cargo.lock"


def name_keys(language: ProbeKind) -> tuple[str, str]:
    """The key that names a probe's module or program, and the one that it must not have."""
    return ("program", "module") if language.is_program else ("module", "program")


def probe_errors(
    document: Document[ScenarioFile], language: ProbeKind, probe: ProbeFile
) -> Iterator[InputError]:
    """Errors in a probe's entry that contradict its language."""
    wanted, other = name_keys(language)
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


def start_errors(
    document: Document[ScenarioFile], code: UserCode, launchers: Sequence[Launcher]
) -> Iterator[InputError]:
    """An error if no launcher of the matrix starts the scenario's target."""
    if launchers and not any(code.kind in launcher.starts for launcher in launchers):
        able = " or ".join(name for name, launcher in LAUNCHERS.items() if code.kind in launcher.starts)
        yield InputError(
            f"no launcher of the matrix starts `{code.kind}`",
            where=document.where(code.kind),
            hint=f"add {able or 'one that does'} to its axis launcher",
        )


def file_errors(
    document: Document[ScenarioFile], folder: Path, code: UserCode | None
) -> Iterator[InputError]:
    """Errors for files that the scenario names and lacks."""
    named: dict[tuple[str, ...], str] = {}
    if document.value.driver and code is None:
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
