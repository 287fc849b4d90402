"""The launcher `uwsgi`: one worker serves the driver as its WSGI file, or several serve an application."""

from pathlib import Path
from typing import Final

from orchestrator.launchers.launcher import Launcher, Parent, ServerRecipe
from orchestrator.model import CellEnvironment, CopiedPython, InterpreterKind, OwnPython, Serving
from orchestrator.supervisor.targets import DRIVER, WSGI

NAME: Final = "uwsgi"
END_CODE: Final = 30
"""The exit status of a worker that was told to stop (UWSGI_END_CODE, uwsgi.h)."""
FILES: Final = ("uwsgi.ini", "ends.c")
SEVERAL_WORKERS: Final = ("--processes", "--workers", "--cheaper")
MASTER: Final = "--master"
"""Supported with a driver, but only spelt out: the container half looks for it by this name."""
DAEMONIZE: Final = ("--daemonize", "--daemonize2")


def refuse(option: str, kind: str) -> str | None:
    """Refuse options that would hide which process the outcome belongs to."""
    name = option.partition("=")[0]
    if kind == WSGI:
        away = name.startswith("-d") or (len(name) > 4 and any(long.startswith(name) for long in DAEMONIZE))
        return f"{name}: a server in the background cannot be observed" if away else None
    # getopt accepts a value that is joined to a short option (-p4), and a prefix of a long one (--proc).
    meant = [long for long in (*SEVERAL_WORKERS, MASTER) if len(name) > 2 and long.startswith(name)]
    if name[:2] in ("-p", "-M") or (meant and name != MASTER):
        return f"{name}: the outcome is that of one worker, which must be the only one"
    return None


def _serve(serving: Serving) -> tuple[str, ...]:
    """As applications are deployed: several processes have a master."""
    ini = (f"--ini={serving.ini}",) if serving.ini else ()
    processes = (MASTER, f"--processes={serving.processes}") if serving.processes else ()
    threads = (f"--threads={serving.threads}",) if serving.threads else ()
    return (*ini, *processes, *threads)


def _lacks(environment: CellEnvironment) -> str | None:
    python = environment.python
    if isinstance(python, OwnPython) and not python.toolchain:
        return f"{environment.base.name}'s own CPython {python.version} brings nothing to build {NAME} with"
    return None


def _recipe(environment: CellEnvironment) -> ServerRecipe:
    """Built by the base's own compiler for the base's own CPython, else once for each interpreter."""
    python = environment.python
    if isinstance(python, CopiedPython):
        return _portable(environment, python)
    return (
        _native(environment, python) if environment.arch is environment.host else _cross(environment, python)
    )


def _native(_environment: CellEnvironment, python: OwnPython) -> ServerRecipe:
    return ServerRecipe(
        template="Dockerfile.native.j2",
        parents={"base": Parent.BASE},
        downloads={"sdist": NAME},
        files=FILES,
        values={
            "packages": " ".join(python.toolchain),
            "program": python.program.removeprefix("/usr/bin/"),
        },
    )


def _cross(environment: CellEnvironment, python: OwnPython) -> ServerRecipe:
    """Built by the suite's cross compilers on the host's architecture; emulated it took over ten minutes."""
    suite, arch = environment.base.debian, environment.arch
    return ServerRecipe(
        template="Dockerfile.cross.j2",
        parents={"base": Parent.BASE, "builder": Parent.HOST_BASE},
        downloads={"sdist": NAME},
        files=FILES,
        values={
            "packages": " ".join(python.toolchain),
            "program": python.program.removeprefix("/usr/bin/"),
            "version": python.version,
            "debian": arch.debian,
            "gnu": arch.gnu,
            # Not the security updates, which the base does not have either.
            "release": suite.suite if suite and arch in suite.without_security else None,
            "gnu_package": arch.gnu.replace("_", "-"),
        },
    )


def _portable(environment: CellEnvironment, python: CopiedPython) -> ServerRecipe:
    arch = environment.arch
    foreign = python.kind is InterpreterKind.ARCHIVE and arch is not environment.host
    return ServerRecipe(
        template="Dockerfile.portable.j2",
        parents={
            "toolchain": Parent.TOOLCHAIN,
            "python": Parent.INTERPRETER,
            "libraries": Parent.COMPILERS if foreign else None,
        },
        downloads={"sdist": NAME},
        files=FILES,
        values={"version": python.version, "kind": python.kind, "gnu": arch.gnu},
        every_base=True,
    )


LAUNCHER: Final = Launcher(
    name=NAME,
    folder=Path(__file__).parent,
    clean_status=END_CODE,
    starts=frozenset({DRIVER, WSGI}),
    refuse=refuse,
    serve=_serve,
    lacks=_lacks,
    recipe=_recipe,
)
