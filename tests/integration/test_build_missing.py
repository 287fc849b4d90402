"""A real package without a wheel for a Python: compiled from its source distribution in the cell's base."""

from dataclasses import replace
from pathlib import Path

from orchestrator.model import HazardResult, Obstacle, PackageLock, Verdict
from tests.integration.runs import Run, run
from tests.integration.test_check import OLD, options_for, whole

OVERFLOW = """\
import ujson

ujson.dumps(list(range(1000)), indent=65539)
"""
"""CVE-2021-45958: an indentation that is not counted in the size of the buffer; until ujson 5.1.0."""


def ask(folder: Path, script: str, packages: str, *flags: str) -> Run:
    (folder / "scenarios").mkdir(parents=True)
    (folder / "matrix.yaml").write_text("schema: 1\n")
    (folder / "repro.py").write_text(script)
    scenario = f"schema: 1\nscript: repro.py\npackages: {{{packages}}}\n"
    (folder / "scenarios" / "repro.yaml").write_text(scenario)
    return run("--launcher", "plain", *flags, reports=folder / "reports", project=folder)


def test_a_crash_in_a_package_that_was_compiled_here_has_its_lines(tmp_path: Path) -> None:
    flags = ("--build-missing", "--python", "3.11", "--glibc", "2.36")
    ended = ask(tmp_path / "project", OVERFLOW, "ujson: ['5.1.0', '5.2.0']", *flags)
    assert ended.code == 1, ended.stdout + ended.stderr
    results = {dict(result.cell.own)["ujson"]: result for result in ended.results.values()}
    assert {name: result.judgement.verdict for name, result in results.items()} == {
        "5.1.0": Verdict.FAIL,
        "5.2.0": Verdict.PASS,
    }
    assert {name: result.built for name, result in results.items()} == {
        "5.1.0": ("ujson-5.1.0.tar.gz",),
        "5.2.0": ("ujson-5.2.0.tar.gz",),
    }
    crashed = results["5.1.0"]
    crash = crashed.trials[0].crash
    assert crash
    assert crash.crashed_thread
    files = [frame.file for frame in crash.crashed_thread.native if frame.file and frame.line]
    # Its setup.py has the linker strip everything, which the build keeps from it.
    assert any(file.endswith("lib/ultrajsonenc.c") for file in files), files
    assert "--build-missing --cell" in crashed.repeat
    assert crashed.lock
    lock = PackageLock.parse(
        (ended.folder / "locks" / f"{crashed.lock}.txt").read_text(),
        lambda digest: PackageLock.parse((ended.folder / "locks" / f"{digest}.txt").read_text()),
    )
    (sdist,) = lock.sdists
    assert sdist.tools
    assert "setuptools" in sdist.tools.pins
    assert "compiled here from ujson-5.1.0.tar.gz" in (ended.folder / "junit.xml").read_text()


def test_a_source_distribution_that_does_not_compile_is_said_once_and_others_run(tmp_path: Path) -> None:
    """cchardet 2.1.7 includes longintrepr.h, which CPython 3.11 has elsewhere; for 3.9 it has a wheel."""
    flags = ("--build-missing", "--python", "3.9,3.11", "--glibc", "2.31,2.36", "-k", "ready")
    ended = ask(tmp_path / "project", "import cchardet\n", "cchardet: ['2.1.7']", *flags)
    assert ended.code == 3, ended.stdout + ended.stderr
    by_python = {result.cell.python: result for result in ended.results.values()}
    assert by_python["3.9"].judgement.verdict is Verdict.PASS
    assert by_python["3.9"].built == ()
    why = by_python["3.11"].unobserved
    assert why
    assert why.obstacle is Obstacle.IMAGE
    assert why.image
    assert "longintrepr.h" in why.image.error
    assert why.image.role.startswith("sdist-cchardet-2-1-7-bookworm")
    assert ended.stdout.count("FAILED sdist-cchardet-2-1-7-bookworm: ") == 1
    assert "1 of 2 cells: only py3.11-glibc2.36-x86_64-plain" in ended.stdout


def test_a_check_compiles_a_package_without_a_wheel_where_it_is_told_to(tmp_path: Path) -> None:
    where = f'{OLD} and launcher == "plain" and hazard == "exit"'
    options = options_for(tmp_path, "ujson==5.1.0", where=where)
    finished = whole(replace(options, build_missing=True))
    (package,) = finished.checked.packages
    assert [cell.result for cell in package.cells] == [HazardResult.SAFE]
    assert package.extensions == 1
    (result,) = finished.run.data.results
    assert result.built == ("ujson-5.1.0.tar.gz",)
    assert "--build-missing --cell" in result.repeat
