"""The program as its users have it: built to an sdist and a wheel, installed where there is no checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("LICENSE", "README.md", "pyproject.toml", "setup.py", "images", "orchestrator", "requirements")
QUIET = ("--quiet", "--disable-pip-version-check")


def build_sdist(folder: Path) -> Path:
    """Build the sdist from a copy of the sources, since setuptools writes beside them."""
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    return _build("build_sdist", source, folder)


def build_wheel(sdist: Path, folder: Path) -> Path:
    """Build the wheel from the sdist, as pip does where there is no wheel."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return _build("build_wheel", next(folder.iterdir()), folder)


def _build(hook: str, source: Path, out: Path) -> Path:
    """Call a hook of the build backend as a frontend does, in the folder of the source."""
    script = f"from setuptools import build_meta; build_meta.{hook}({str(out)!r})"
    subprocess.run([sys.executable, "-c", script], cwd=source, check=True, capture_output=True)
    return next(out.glob("*.tar.gz" if hook == "build_sdist" else "*.whl"))


def install(wheel: Path, venv: Path, *, with_dependencies: bool) -> Path:
    """Make a virtual environment with the wheel; returns its folder of programs.

    Its libraries are fetched as its metadata says, and it has pip, as a user's has; else they are those of
    this process's own environment.
    """
    bare = [] if with_dependencies else ["--without-pip"]
    subprocess.run([sys.executable, "-m", "venv", *bare, venv], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "install", *QUIET]
    alone = [] if with_dependencies else ["--no-deps", "--no-index"]
    subprocess.run([*pip, *alone, str(wheel)], check=True)
    if not with_dependencies:
        libraries = Path(sysconfig.get_path("purelib", vars={"base": venv}))
        (libraries / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv / "bin"


def environment(programs: Path) -> dict[str, str]:
    """The variables of a user who has the installed program first on PATH, and no checkout."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {**kept, "PATH": f"{programs}:{os.environ['PATH']}"}
