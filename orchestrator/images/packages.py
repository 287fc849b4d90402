"""The images of environments with packages in them, shared by launchers and by scenarios of the same lock."""

import hashlib
from pathlib import Path
from typing import Final

from orchestrator.images.bases import base_image
from orchestrator.images.interpreters import environment_image, label
from orchestrator.images.recipe_book import RecipeBook
from orchestrator.images.templates import HARMLESS
from orchestrator.model import (
    CellEnvironment,
    CellPackages,
    ContextFile,
    CopiedPython,
    ImageSpec,
    OwnPython,
    SourceBuild,
    WheelTree,
)
from orchestrator.supervisor.paths import HOME, VENV

COPIED: Final = f"{HOME}/python/bin/python3"
"""The program of an interpreter that is copied into bases."""
TOOLS: Final = f"{HOME}/build"
"""The virtual environment of what builds a package, in the image that builds it."""
CHECK: Final = "requires.py"
MAKE: Final = "venv.sh"


def packages_image(
    book: RecipeBook, under: ImageSpec, environment: CellEnvironment, packages: CellPackages
) -> ImageSpec:
    """The image `under` with packages in a virtual environment."""
    source = source_image(book, environment, packages.source) if packages.source else None
    lock = packages.tree.lock
    what = ("packages", under.key, lock.digest, source.key if source else None)
    return book.once(what, lambda: _packages(book, under, environment, packages.tree, source))


def _packages(
    book: RecipeBook,
    under: ImageSpec,
    environment: CellEnvironment,
    tree: WheelTree,
    source: ImageSpec | None,
) -> ImageSpec:
    files = [_wheels("venv", tree), book.part(f"python/{MAKE}", MAKE)]
    if source:
        pins = "".join(f"{name}=={version}\n" for name, version in tree.lock.pins.items())
        digest = hashlib.sha256(pins.encode()).hexdigest()
        files += [
            book.part(f"python/{CHECK}", f"check/{CHECK}"),
            ContextFile(name="check/pins.txt", sha256=digest, text=pins),
        ]
    return book.dockerfile(
        f"packages-{under.role}",
        "Dockerfile.packages.j2",
        environment.arch,
        parents={"environment": under, "source": source},
        files=files,
        values={"venv": VENV, "tools": TOOLS, **_interpreter(environment, tree)},
    )


def source_image(book: RecipeBook, environment: CellEnvironment, build: SourceBuild) -> ImageSpec:
    """The image that builds a package from its source, once for each environment; it has no network."""
    base, python, arch = environment.base, environment.python, environment.arch
    files = [book.file(Path(item.path), f"src/{item.name}") for item in build.files]
    listed = "".join(f"{item.sha256} {item.name}\n" for item in files)
    digest = hashlib.sha256(listed.encode()).hexdigest()
    what = ("source", base.name, python.kind, python.version, arch, build.tools.lock.digest, digest)
    return book.once(
        what,
        lambda: book.without_network(
            book.dockerfile(
                f"source-{label(base, python)}",
                "Dockerfile.source.j2",
                arch,
                parents={"compiler": compiler_image(book, environment)},
                files=[_wheels("tools", build.tools), book.part(f"python/{MAKE}", MAKE), *files],
                values={
                    "venv": VENV,
                    "tools": TOOLS,
                    "name": build.name if HARMLESS.fullmatch(build.name) else "source",
                    "copied": "yes" if isinstance(python, CopiedPython) else None,
                    **_interpreter(environment, build.tools),
                },
            )
        ),
    )


def compiler_image(book: RecipeBook, environment: CellEnvironment) -> ImageSpec:
    """An environment with its base's own compilers in it, and its CPython's headers."""
    base, python, arch = environment.base, environment.python, environment.arch
    under = environment_image(book, base, python, arch) if isinstance(python, CopiedPython) else None
    return book.once(
        ("compiler", base.name, python.kind, python.version, arch),
        lambda: book.dockerfile(
            f"compiler-{label(base, python)}",
            "Dockerfile.compiler.j2",
            arch,
            parents={"environment": under or base_image(book, base, arch)},
            files=[],
            values={"packages": " ".join(base.compiler_beside(python))},
        ),
    )


def lacks_compiler(environment: CellEnvironment) -> str | None:
    """Why nothing can be built from its source in an environment; None if it can."""
    base, python = environment.base, environment.python
    if base.compiler_beside(python):
        return None
    return f"{base.name} brings no compiler to build a package for CPython {python.version} with"


def _wheels(name: str, tree: WheelTree) -> ContextFile:
    return ContextFile(name=name, sha256=tree.lock.digest, wheels=tree)


def _interpreter(environment: CellEnvironment, tree: WheelTree) -> dict[str, str]:
    python = environment.python
    program = python.program if isinstance(python, OwnPython) else COPIED
    return {
        "program": program,
        "version": tree.platform.tagged(tree.platform.python),
    }
