"""Every job of the project, on a workstation and in CI: `./nox --list`.

A session uses the environment of one lock, requirements/<lock>.txt, and sessions with the same lock share it
(.nox/<lock>). nox would make an environment for each session, so none is declared to nox.
"""

import fcntl
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import nox

nox.needs_version = ">=2026.10.20"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests"]

ROOT: Final = Path(__file__).resolve().parent
LOCKS: Final = ROOT / "requirements"
ENVIRONMENTS: Final = Path(os.environ.get("CRASHMATRIX_ENVIRONMENTS") or ROOT / ".nox").absolute()
"""Several checkouts may share them, such as the jobs of a runner that is used again."""

# In the order of their constraints: runtime.txt of fleet.in, tests.in and docs.in, fleet.txt of tests.in,
# tests.txt of types.in, mutants.in.
LOCK_ORDER: Final = (
    "nox",
    "runtime",
    "fleet",
    "tests",
    "types",
    "mutants",
    "lint",
    "docs",
    "oracles",
    "lock",
)

COMPILE: Final = (
    *("--quiet", "--universal", "--python-version=3.11", "--generate-hashes"),
    "--custom-compile-command=./nox -s lock",
)
INSTALL: Final = (
    *("--quiet", "--disable-pip-version-check", "--no-compile"),
    *("--no-deps", "--require-hashes", "--only-binary=:all:"),
)

# One process per processor; tests/distribution.py says which tests stay together.
PARALLEL: Final = ("--numprocesses=auto", "--dist=loadscope")

# With PYTHONSAFEPATH `python -m` finds no module of this folder.
MODULES_OF_THIS_FOLDER: Final[dict[str, str | None]] = {"PYTHONSAFEPATH": None}

# With these flags nothing runs, so the host is not set up first.
LOOKING: Final = frozenset({"-h", "--help", "--list"})


@nox.session
def setup(session: nox.Session) -> None:
    """Install and start what this host lacks; arguments go to `orchestrator setup`."""
    orchestrate(session, environment(session, "runtime"), "setup", *session.posargs)


@nox.session
def doctor(session: nox.Session) -> None:
    """Print what this host can do and what it lacks, and try the engine; `-- --quick` only looks."""
    orchestrate(session, environment(session, "runtime"), "doctor", *session.posargs)


@nox.session
def matrix(session: nox.Session) -> None:
    """Set up the host, then run the matrix; arguments go to `orchestrator run`."""
    python = environment(session, "runtime")
    if LOOKING.isdisjoint(session.posargs):
        orchestrate(session, python, "setup")
    orchestrate(session, python, "run", *session.posargs)


@nox.session
def merge(session: nox.Session) -> None:
    """Merge the run folders of shards into one report; arguments go to `orchestrator merge`."""
    orchestrate(session, environment(session, "runtime"), "merge", *session.posargs)


@nox.session
def night(session: nox.Session) -> None:
    """Fetch the night before, keep this one, track causes; arguments go to `orchestrator night`."""
    orchestrate(session, environment(session, "runtime"), "night", *session.posargs)


@nox.session
def images(session: nox.Session) -> None:
    """Save images as an archive, load one; arguments go to `orchestrator images`."""
    orchestrate(session, environment(session, "runtime"), "images", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the program; arguments go to `python -m bench`."""
    run(session, environment(session, "tests"), "-m", "bench", *session.posargs)


@nox.session
def recipes(session: nox.Session) -> None:
    """Crash bugs of published packages, and count how well their signatures tell them apart."""
    python = environment(session, "tests")
    if not session.posargs:
        orchestrate(session, python, "setup")
    run(session, python, "-m", "bench.recipes", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Set up the host with a browser, then run all tests; arguments go to pytest."""
    python = environment(session, "tests")
    orchestrate(session, python, "setup", "--browser")
    run(session, python, "-m", "pytest", *PARALLEL, *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Set up the host, then run the tests that `tests` leaves out, since their images take long to build."""
    python = environment(session, "tests")
    orchestrate(session, python, "setup")
    run(session, python, "-m", "pytest", "-m", "slow", *session.posargs)


@nox.session
def unit(session: nox.Session) -> None:
    """Run the tests that need no container engine; arguments go to pytest."""
    run(session, environment(session, "tests"), "-m", "pytest", *PARALLEL, "tests/unit", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Read 100,000 damaged cores, or `-- folders`: 10,000 damaged run folders. Tests read a few."""
    run(session, environment(session, "tests"), "-m", "tests.fuzz", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Change a package one expression at a time, and tell which changes its unit tests miss: `-- matrix`."""
    run(session, environment(session, "mutants"), "-m", "tests.mutants", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Kills, crowds of crashes, hostile deeds, full disks, on an engine of its own; `-- --short` for CI."""
    python = environment(session, "tests")
    orchestrate(session, python, "setup")
    run(session, python, "-m", "tests.chaos", *session.posargs)


@nox.session
def hosts(session: nox.Session) -> None:
    """Use whole machines, in qemu, and newer engines: `-- trixie arm64 docker containerd podman`."""
    run(session, environment(session, "tests"), "-m", "tests.hosts", *session.posargs)


@nox.session
def workflows(session: nox.Session) -> None:
    """Run the workflow files on this machine, by act and stand-ins of GitHub, on two nights."""
    python = environment(session, "tests")
    orchestrate(session, python, "setup")
    act = go_tool(session, "act", "github.com/nektos/act")
    run(session, python, "-m", "tests.workflows", "--act", act, *session.posargs)


@nox.session
def oracles(session: nox.Session) -> None:
    """Compare stacks with those of gdb, lldb and drgn, of programs that are compiled in many ways."""
    drgn = environment(session, "oracles")
    run(session, environment(session, "tests"), "-m", "tests.oracles", "--drgn", drgn, *session.posargs)


@nox.session
def inverted(session: nox.Session) -> None:
    """Judge a run's cells by each inversion of their expectations; arguments are folders under reports/."""
    run(session, environment(session, "tests"), "-m", "tests.inverted", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, the layers between modules, dead code, and the workflows."""
    python = environment(session, "lint")
    scripts = python.parent
    run(session, python, "-m", "ruff", "check", ".")
    run(session, python, "-m", "ruff", "format", "--check", ".")
    run(session, scripts / "lint-imports")
    run(session, python, "-m", "vulture")
    run(session, scripts / "shellcheck", "nox", ".ci/run")
    for script in ("build.sh", "libraries.sh"):
        run(session, scripts / "shellcheck", "--severity=warning", f"images/python/{script}")
    actionlint = go_tool(session, "actionlint", "github.com/rhysd/actionlint/cmd/actionlint")
    run(session, actionlint, "-shellcheck", scripts / "shellcheck")
    run(session, scripts / "zizmor", "--offline", "--pedantic", ".github", "action.yml")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, mypy strict."""
    python = environment(session, "types")
    run(session, python, "-m", "mypy", "orchestrator", "tests", "bench", "docs", "noxfile.py")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site, build/docs; a broken link is an error. `-- linkcheck` also follows addresses."""
    python = environment(session, "docs")
    builder, *rest = session.posargs or ("html",)
    run(session, python, "-m", "docs.generate")
    sphinx = ("-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "--builder", builder)
    run(session, python, *sphinx, "--doctree-dir", "build/doctrees", *rest, "docs", "build/docs")


@nox.session
def lock(session: nox.Session) -> None:
    """Write requirements/*.txt from *.in; `-- --upgrade` takes the latest versions."""
    uv = environment(session, "lock").parent / "uv"
    with session.chdir(LOCKS):
        for name in LOCK_ORDER:
            files = (f"{name}.in", "--output-file", f"{name}.txt")
            run(session, uv, "pip", "compile", *COMPILE, *files, *session.posargs)


def orchestrate(session: nox.Session, python: Path, command: str, *arguments: str) -> None:
    """Run a command of the program from this checkout.

    Its exit code (0 to 3, docs/design.md) becomes nox's own, which is 1 for every failure otherwise.
    """
    try:
        run(session, python, "-m", "orchestrator", command, *arguments)
    except nox.command.CommandFailed as failed:
        sys.exit(failed.return_code)


def run(session: nox.Session, *command: str | os.PathLike[str]) -> None:
    """Run a command; on Ctrl-C wait until it has drained.

    nox would kill it after half a second, and its containers would stay. A second Ctrl-C reaches it as well.
    """
    session.run(*command, external=True, interrupt_timeout=None, env=MODULES_OF_THIS_FOLDER)


def environment(session: nox.Session, name: str) -> Path:
    """The Python of the environment .nox/<name>, made anew when its lock or this interpreter has changed."""
    place = ENVIRONMENTS / name
    lockfile = LOCKS / f"{name}.txt"
    python = place / "bin" / "python"
    made_from = digest(sys.version, sys.base_prefix, str(place), lockfile.read_text(encoding="utf-8"))
    stamp = place / "made-from.sha256"
    with alone(name):
        if python.exists() and stamp.is_file() and stamp.read_text(encoding="ascii") == made_from:
            return python
        run(session, sys.executable, "-m", "virtualenv", "--quiet", "--clear", place)
        run(session, python, "-m", "pip", "install", *INSTALL, "--requirement", lockfile)
        stamp.write_text(made_from, encoding="ascii")
    return python


def go_tool(session: nox.Session, name: str, package: str) -> Path:
    """The program of the Go module that requirements/<name>/go.sum pins, compiled once."""
    scripts, module = environment(session, "lint").parent, LOCKS / name
    pinned = digest(*((module / name).read_text(encoding="utf-8") for name in ("go.mod", "go.sum")))
    program = scripts / f"{name}-{pinned[:16]}"
    if program.exists():
        return program
    session.log(f"compiling {name}, once")
    with TemporaryDirectory() as cache, session.chdir(module):
        go = {"GOCACHE": cache, "GOPATH": cache, "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local"}
        command = (scripts / "go", "build", "-o", program, package)
        session.run(*command, env=go, external=True)
    return program


def digest(*parts: str) -> str:
    """One SHA-256 over all parts, in hexadecimal."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Hold the environment's lock: a nox that runs beside this one waits here while it is made."""
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (ENVIRONMENTS / f"{name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield
