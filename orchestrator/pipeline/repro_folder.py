"""`crashmatrix repro`: a cell of a run as a folder that runs by plain Docker."""

import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator import images, packages, repro
from orchestrator.adapters.engine import Engine
from orchestrator.errors import InputError, Location
from orchestrator.execute import TrialCommand
from orchestrator.model import (
    ABSENT,
    LABEL,
    SYSTEM_PYTHON,
    Arch,
    Base,
    Interpreter,
    OwnPython,
    PackageLock,
)
from orchestrator.pipeline.projects import Project
from orchestrator.pipeline.recorded import RecordedCell, held
from orchestrator.repro.dockerfile import FILES, PACKED, REQUIREMENTS, ROOT, WHEELS
from orchestrator.repro.texts import packed_notes
from orchestrator.supervisor.paths import HOME, REPORT, SCENARIO
from orchestrator.supervisor.targets import COMMAND, DRIVER, PROGRAM, PYTEST, SCRIPT

PLAIN: Final = "plain"
MOST_RUNS: Final = 100
"""The most trials of a repro's command."""
BUILT: Final = ((images.SOURCE, images.WHEELS), (images.SDIST, images.COMPILED))
"""How the roles of images begin that build packages, and where each has its wheel."""
"""How the role of an image begins that built a package from its source."""


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What a cell's environment is made of, and whether a person can read how it comes about."""

    base: Base
    python: Interpreter
    image: str | None
    is_readable: bool


def write_repro(project: Project, recorded: RecordedCell, into: Path) -> None:
    """Write the folder; raises InputError where it exists, or where an instrument watches the cell."""
    cell = recorded.planned.cell
    if cell.instrument != ABSENT:
        raise InputError(
            f"{cell.id} is watched by {cell.instrument}, which no public image has",
            hint="take the cell without it",
        )
    try:
        into.mkdir(parents=True)
    except FileExistsError as error:
        where = Location(file=str(into))
        raise InputError("there is something already", where=where, hint="name another --into") from error
    made = _made(project, recorded)
    engine = Engine.connect()
    try:
        host = Arch.from_machine(engine.info().arch)
        image = recorded.image(engine)
        with held(engine, image, {LABEL: "repro"}) as container:
            _write_files(engine, container, into / FILES)
            if made.image is None:
                _archive(engine, container, "/", into / ROOT)
            elif not made.is_readable:
                _archive(engine, container, HOME, into / PACKED)
        wheels = tuple(_built(engine, recorded, into / WHEELS)) if made.is_readable else ()
        variables = engine.image_environment(image)
    finally:
        engine.close()
    command = recorded.command(host)
    lock = _lock(recorded)
    if made.is_readable:
        _write_local_wheels(lock, into / WHEELS)
    recipe = _recipe(recorded, made, command, {**variables, **command.environment(), **command.env}, wheels)
    (into / "Dockerfile").write_text(repro.dockerfile(recipe), encoding="utf-8")
    if recipe.lock:
        (into / REQUIREMENTS).write_text(repro.requirements(lock), encoding="utf-8")
    story = _story(recorded, made)
    tag = f"crashmatrix-repro/{_slug(cell.id)}"
    script = repro.run_script(tag, cell.arch, story, _served(recorded, command, tag))
    (into / "run.sh").write_text(script, encoding="utf-8")
    (into / "run.sh").chmod(0o755)
    (into / "README.md").write_text(repro.readme(story), encoding="utf-8")


def _made(project: Project, recorded: RecordedCell) -> _Made:
    cell, catalogue = recorded.planned.cell, project.catalogue
    base = catalogue.base_for(cell.glibc, cell.arch)
    python = catalogue.interpreter_for(base, cell.python, cell.arch) if base else None
    if base is None or python is None:
        raise InputError(f"the catalogue has the environment of {cell.id} no more", hint="name a later --run")
    pin = catalogue.pin_of(base, cell.arch)
    registry = base.registry
    image = pin.reference if pin else f"{registry.images[cell.arch]}:{registry.tag}" if registry else None
    readable = isinstance(python, OwnPython) and base.debian is not None and image is not None
    plain = cell.launcher == PLAIN and cell.probe == ABSENT
    return _Made(base=base, python=python, image=image, is_readable=readable and plain)


def _recipe(
    recorded: RecordedCell,
    made: _Made,
    command: TrialCommand,
    variables: Mapping[str, str],
    wheels: Sequence[str],
) -> repro.Recipe:
    cell = recorded.planned.cell
    code = recorded.scenario.code
    program = made.python.program if isinstance(made.python, OwnPython) else SYSTEM_PYTHON
    python = recorded.result.trials[0].outcome.versions.get("python", cell.python)
    return repro.Recipe(
        title=f"{cell.scenario} on CPython {python} and glibc {cell.glibc}, {cell.launcher}.",
        arch=cell.arch,
        image=made.image,
        packed=made.image is not None and not made.is_readable,
        variables=variables,
        command=tuple(_started(command)),
        # The supervisor, which serves an application, copies the project itself.
        in_project=code is not None and code.is_copied and cell.launcher == PLAIN,
        lock=made.is_readable and recorded.planned.lock is not None,
        wheels=tuple(wheels),
        program=program,
        apt=tuple(dict.fromkeys(_apt(made, venv=recorded.planned.lock is not None))),
    )


def _apt(made: _Made, *, venv: bool) -> Iterator[str]:
    """The source of the interpreter, and the debug files for the names of a stack."""
    if made.base.registry:
        yield from made.base.registry.packages
    if made.base.debian:
        yield from made.base.debian.debug
    if made.is_readable and venv and isinstance(made.python, OwnPython):
        own = made.python.program != SYSTEM_PYTHON
        yield "ca-certificates"
        yield f"python{made.python.version}-venv" if own else "python3-venv"


def _started(command: TrialCommand) -> Iterator[str]:
    """The command line of a cell without the supervisor."""
    target, options = command.target, command.options
    lines: Mapping[str, Sequence[str]] = {
        DRIVER: ("python3", *options, f"{HOME}/{SCENARIO}/{target.file}"),
        PROGRAM: (f"{HOME}/{SCENARIO}/{target.file}", *options),
        SCRIPT: ("python3", *options, target.file, *target.arguments),
        COMMAND: (target.file, *target.arguments, *options),
        PYTEST: ("python3", *options, "-m", "pytest", *target.arguments),
    }
    yield from lines.get(target.kind, command.single())


def _served(recorded: RecordedCell, command: TrialCommand, tag: str) -> str | None:
    """The command of a cell whose server gets its requests and its stop from the supervisor in the image."""
    if recorded.planned.cell.launcher == PLAIN:
        return None
    words = shlex.split(command.by_hand(tag))
    start = words.index(tag) + 1
    return shlex.join([*words[:start], "sh", "-c", f'"$@"; cat {REPORT}', "sh", *words[start:]])


def _write_files(engine: Engine, container: str, into: Path) -> None:
    """The files that run, as the image has them."""
    into.mkdir()
    for member, content in engine.fetch(container, f"{HOME}/{SCENARIO}"):
        parts = PurePosixPath(member.name).parts[1:]
        if not parts or ".." in parts:
            continue
        path = into.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as out:
            shutil.copyfileobj(content, out)
        path.chmod(0o755 if member.mode & 0o100 else 0o644)


def _archive(engine: Engine, container: str, path: str, into: Path) -> None:
    with into.open("xb") as out:
        engine.write_archive(container, path, out)


def _built(engine: Engine, recorded: RecordedCell, into: Path) -> Iterator[str]:
    """The names of the wheels that were built from source for the cell, written into the folder."""
    into.mkdir()
    pending, seen = [recorded.planned.image], set[str]()
    while pending:
        image = recorded.data.images.get(pending.pop())
        if image is None or image.key in seen:
            continue
        seen.add(image.key)
        pending += image.parents
        place = next((place for role, place in BUILT if image.role.startswith(role)), None)
        if place is None:
            continue
        found = engine.built(image.tag, image.key)
        if found is None:
            raise InputError("the image that built the package is gone", hint="run the cell again")
        with held(engine, found, {LABEL: "repro"}) as container:
            for member, content in engine.fetch(container, place):
                name = PurePosixPath(member.name).name
                if name.endswith(".whl"):
                    with (into / name).open("xb") as out:
                        shutil.copyfileobj(content, out)
                    yield name


def _lock(recorded: RecordedCell) -> PackageLock:
    """The wheels of the cell, with the places of those that no index has."""
    digest = recorded.planned.lock
    code = recorded.scenario.code
    if digest is None or code is None:
        return PackageLock(wheels=())
    return packages.with_places(recorded.run.lock(digest), code.requires)


def _write_local_wheels(lock: PackageLock, into: Path) -> None:
    for wheel in lock.wheels:
        if wheel.place and "://" not in wheel.place:
            shutil.copyfile(wheel.place, into / wheel.filename)


def _story(recorded: RecordedCell, made: _Made) -> repro.Story:
    result = recorded.result
    versions = result.trials[0].outcome.versions
    named = {"python": "CPython", "glibc": "glibc"}
    rules = (item.words for item in recorded.data.explained.get(recorded.planned.cell.id, ()))
    return repro.Story(
        result=result,
        versions={named.get(name, name): value for name, value in versions.items()}
        | {"architecture": str(recorded.planned.cell.arch), "launcher": recorded.planned.cell.launcher},
        rules=tuple(rules)[:3],
        notes=packed_notes(root=made.image is None, packed=made.image is not None and not made.is_readable),
        trials=min(MOST_RUNS, max(recorded.planned.trials, len(result.trials) + result.not_kept)),
        network=recorded.planned.network,
        memory=recorded.planned.memory,
    )


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-")[:100]
