"""The texts of a cell's folder: what a Dockerfile, a shell and Markdown make of what others wrote."""

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator import repro
from orchestrator.errors import InputError
from orchestrator.model import Arch, LockedWheel, PackageLock, PlannedCell
from orchestrator.pipeline.projects import Project
from orchestrator.pipeline.recorded import recorded_cell
from tests.unit import run_factory as factory
from tests.unit.test_locking import project

PLAIN = repro.Recipe(
    title="repro on CPython 3.11.2 and glibc 2.36, plain.",
    arch=Arch.X86_64,
    image="docker.io/library/debian:bookworm-slim",
    packed=False,
    variables={"PATH": "/bin", "WORD": 'a "b" $C \\'},
    command=("python3", "a b.py", "it's"),
    in_project=True,
    lock=True,
    wheels=("own-1.0-py3-none-any.whl",),
    apt=("python3", "libc6-dbg"),
)


def story(**more: object) -> repro.Story:
    cell = factory.cell()
    planned = PlannedCell(cell=cell, expectation=factory.CRASHES, trials=3, timeout=60, image=factory.KEY)
    result = factory.result_of(planned)
    made = repro.Story(
        result=result, versions={}, rules=(), notes=(), trials=3, network=False, memory=3 << 29
    )
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_readable_dockerfile_installs_the_locked_wheels_and_starts_the_program() -> None:
    text = repro.dockerfile(PLAIN)
    assert text.splitlines()[1] == "FROM --platform=linux/amd64 docker.io/library/debian:bookworm-slim"
    assert "    python3 libc6-dbg \\\n" in text
    assert "--require-hashes \\\n    --find-links /packages --requirement /packages/requirements.txt" in text
    assert text.count("/packages/own-1.0-py3-none-any.whl") == 1
    assert 'ENV PATH="/bin" \\\n    WORD="a \\"b\\" \\$C \\\\"\n' in text
    assert text.endswith('WORKDIR /work/project\nUSER 1000:1000\nCMD ["python3", "a b.py", "it\'s"]\n')


def test_what_no_public_image_has_is_added_from_a_tar() -> None:
    packed = repro.dockerfile(replace(PLAIN, packed=True))
    assert "ADD crashmatrix.tar /opt/" in packed
    assert "pip install" not in packed
    whole = repro.dockerfile(replace(PLAIN, image=None))
    assert whole.splitlines()[1:3] == ["FROM scratch", "ADD root.tar /"]
    assert "apt-get" not in whole


def test_a_wheel_at_an_address_is_required_from_there() -> None:
    places = {"a": None, "b": "https://e.com/b.whl", "c": "/w/c.whl"}
    wheels = tuple(
        LockedWheel(name=name, version="1", filename=f"{name}.whl", sha256="0" * 64, place=place)
        for name, place in places.items()
    )
    lines = repro.requirements(PackageLock(wheels=wheels)).splitlines()
    hashed = f"--hash=sha256:{'0' * 64}"
    assert lines[1::2] == [f"a==1 {hashed}", f"b @ https://e.com/b.whl {hashed}", f"c==1 {hashed}"]


@pytest.mark.parametrize(("ends", "code"), [((0, 0, 139), 139), ((0, 0, 0), 0), ((134,), 134)])
def test_the_command_runs_until_it_crashes(tmp_path: Path, ends: tuple[int, ...], code: int) -> None:
    """A program called docker notes its arguments and ends as it is told."""
    ended = " ".join(map(str, ends))
    (tmp_path / "docker").write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ "$1" = build ] && exit 0\nset -- {ended}\n'
        f"shift $(($(grep -c ^run {tmp_path}/calls) - 1))\nexit $1\n"
    )
    (tmp_path / "docker").chmod(0o755)
    (tmp_path / "run.sh").write_text(repro.run_script("some/tag", Arch.ARM64, story(), None))
    done = subprocess.run(
        ["/bin/sh", str(tmp_path / "run.sh"), "--build-arg", "A=b c"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == "build --platform linux/arm64 --tag some/tag --build-arg A=b c ."
    assert len(calls) == 1 + len(ends)
    assert all(
        "--network none" in call and "--memory 1536m" in call and call.endswith(" some/tag")
        for call in calls[1:]
    )
    assert ("COREDUMP_HOSTNAME=repro-" in done.stdout) is bool(code)


def test_a_readme_has_the_stack_and_nothing_that_acts() -> None:
    result = story().result
    evil = result.judgement.model_copy(update={"reason": "<img src=x> `x` \x1b[31m\n# no"})
    text = repro.readme(story(result=result.model_copy(update={"judgement": evil}), rules=("a < b",)))
    assert text.startswith("# tls-atexit: SIGSEGV in `(anonymous namespace)::atexit_handler` on CPython 3.11")
    assert "&lt;img src=x> 'x' ?[31m?# no." in text
    assert "> a &lt; b" in text
    assert "#5  (anonymous namespace)::atexit_handler in /opt/crashmatrix/scenario/" in text
    assert "\x1b" not in text


def test_a_cell_must_have_run_and_its_scenario_must_be_the_same(tmp_path: Path) -> None:
    folder = factory.write_run(tmp_path / "run")
    loaded = Project.load(project(tmp_path / "project", ""))
    with pytest.raises(InputError, match=r"did you mean 'tls-atexit/py3\.11-glibc2\.36-x86_64-uwsgi-cpp'"):
        recorded_cell(loaded, folder, "tls-atexit/py3.11-glibc2.36-x86_64-uwsgi-cp")
    with pytest.raises(InputError, match="the project has no scenario 'tls-atexit' any more"):
        recorded_cell(loaded, folder, factory.cell().id)


def test_the_command_of_a_server_is_taken_as_it_is() -> None:
    served = shlex.join(["docker", "run", "a b"])
    assert repro.run_script("tag", Arch.X86_64, story(), served).endswith(f"\nexec {served}\n")
