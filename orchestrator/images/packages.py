"""The images of environments with packages in them, shared by launchers and by scenarios of the same lock."""

import hashlib
from dataclasses import dataclass
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
    SdistBuild,
    SourceBuild,
    WheelTree,
)
from orchestrator.supervisor.paths import HOME, VENV

COPIED: Final = f"{HOME}/python/bin/python3"
"""The program of an interpreter that is copied into bases."""
TOOLS: Final = f"{HOME}/build"
"""The virtual environment of a package's build tools, in the image that builds it."""
WHEELS: Final = "/wheels"
"""Where the image that builds the user's package has its wheel (images/python/inplace.py)."""
COMPILED: Final = "/compiled"
"""Where an image that builds a source distribution has its wheel."""
SOURCE: Final = "source"
"""How the role of an image begins that builds the user's package."""
SDIST: Final = "sdist-"
"""How the role of an image begins that builds a source distribution."""
CHECK: Final = "requires.py"
MAKE: Final = "venv.sh"
LINKER: Final = "ld.sh"


def packages_image(
    book: RecipeBook, under: ImageSpec, environment: CellEnvironment, packages: CellPackages
) -> ImageSpec:
    """The image `under` with packages in a virtual environment."""
    for item in packages.sdists:
        under = _built_image(book, under, environment, packages.tree, item)
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
        files += _check(book, tree)
    return book.dockerfile(
        f"packages-{under.role}",
        "Dockerfile.packages.j2",
        environment.arch,
        parents={"environment": under, "source": source},
        files=files,
        values={"venv": VENV, "tools": TOOLS, **_interpreter(environment, tree)},
    )


def _check(book: RecipeBook, tree: WheelTree) -> list[ContextFile]:
    """What says whether all that a built package requires is installed."""
    pins = "".join(f"{name}=={version}\n" for name, version in tree.lock.pins.items())
    digest = hashlib.sha256(pins.encode()).hexdigest()
    return [
        book.part(f"python/{CHECK}", f"check/{CHECK}"),
        ContextFile(name="check/pins.txt", sha256=digest, text=pins),
    ]


def _built_image(
    book: RecipeBook, under: ImageSpec, environment: CellEnvironment, tree: WheelTree, build: SdistBuild
) -> ImageSpec:
    """The image `under` with a package that was built from its source distribution."""
    source = sdist_image(book, environment, build)
    return book.once(
        ("built", under.key, source.key, tree.lock.digest),
        lambda: book.dockerfile(
            f"with-{build.title}-{label(environment.base, environment.python)}",
            "Dockerfile.built.j2",
            environment.arch,
            parents={"environment": under, "source": source},
            files=_check(book, tree),
            values={"venv": VENV, "tools": TOOLS, "wheels": COMPILED},
        ),
    )


def sdist_image(book: RecipeBook, environment: CellEnvironment, build: SdistBuild) -> ImageSpec:
    """The image that builds a package from its source distribution; it has no network."""
    sdist, base, python = build.sdist, environment.base, environment.python
    archive = ContextFile(name=sdist.filename, sha256=sdist.sha256, path=build.path)
    what = ("sdist", base.name, python.kind, python.version, environment.arch)
    source = _Source(
        role=f"{SDIST}{build.title}",
        name=build.title,
        tools=build.tools,
        files=(archive,),
        archive=sdist.filename,
    )
    return book.once(
        (*what, sdist.sha256, build.tools.lock.digest), lambda: _compiled(book, environment, source)
    )


def source_image(book: RecipeBook, environment: CellEnvironment, build: SourceBuild) -> ImageSpec:
    """The image that builds a package from its source, once for each environment; it has no network."""
    base, python, arch = environment.base, environment.python, environment.arch
    files = tuple(book.file(Path(item.path), f"src/{item.name}") for item in build.files)
    listed = "".join(f"{item.sha256} {item.name}\n" for item in files)
    digest = hashlib.sha256(listed.encode()).hexdigest()
    what = ("source", base.name, python.kind, python.version, arch, build.tools.lock.digest, digest)
    source = _Source(role=SOURCE, name=build.name, tools=build.tools, files=files)
    return book.once(what, lambda: _compiled(book, environment, source))


@dataclass(frozen=True, kw_only=True)
class _Source:
    """What is built: the files of a folder, or an `archive` among the files."""

    role: str
    name: str
    tools: WheelTree
    files: tuple[ContextFile, ...]
    archive: str | None = None

    def values(self) -> dict[str, str | None]:
        """What the template sees of it."""
        return {
            "name": self.name if HARMLESS.fullmatch(self.name) else "source",
            "archive": self.archive,
            "zipped": "yes" if self.archive and self.archive.endswith(".zip") else None,
            "wheels": COMPILED if self.archive else WHEELS,
        }


def _compiled(book: RecipeBook, environment: CellEnvironment, source: _Source) -> ImageSpec:
    """The image that builds a package by the compilers of a base."""
    base, python, arch = environment.base, environment.python, environment.arch
    scripts = (book.part(f"python/{name}", name) for name in (MAKE, LINKER))
    return book.without_network(
        book.dockerfile(
            f"{source.role}-{label(base, python)}",
            "Dockerfile.source.j2",
            arch,
            parents={"compiler": compiler_image(book, environment)},
            files=[_wheels("tools", source.tools), *scripts, *source.files],
            values={
                "venv": VENV,
                "tools": TOOLS,
                "copied": "yes" if isinstance(python, CopiedPython) else None,
                **source.values(),
                **_interpreter(environment, source.tools),
            },
        )
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
