"""The images of launchers' programs, as their recipes say."""

from collections.abc import Callable, Mapping

from orchestrator.errors import InputError
from orchestrator.images.bases import base_image, builder_base, toolchain
from orchestrator.images.interpreters import interpreter_image, label
from orchestrator.images.recipe_book import RecipeBook
from orchestrator.launchers import LAUNCHERS, Launcher, Parent, ServerRecipe
from orchestrator.model import CellEnvironment, CopiedPython, ImageSpec


def launcher_named(name: str) -> Launcher:
    """The launcher of this name; raises InputError without one."""
    if name not in LAUNCHERS:
        raise InputError(f"no launcher is called {name!r}", hint=f"use one of {', '.join(LAUNCHERS)}")
    return LAUNCHERS[name]


def server_image(book: RecipeBook, launcher: Launcher, environment: CellEnvironment) -> ImageSpec | None:
    """The image that brings a launcher's program; None for a launcher without one."""
    if launcher.recipe is None:
        return None
    recipe, python, arch = launcher.recipe(environment), environment.python, environment.arch
    base = None if recipe.every_base else environment.base.name
    what = ("server", launcher.name, base, python.kind, python.version, arch)
    return book.once(what, lambda: _server(book, launcher, recipe, environment))


def _server(
    book: RecipeBook, launcher: Launcher, recipe: ServerRecipe, environment: CellEnvironment
) -> ImageSpec:
    base, python, arch = environment.base, environment.python, environment.arch
    place = f"py{python.version}" if recipe.every_base else label(base, python)
    makers = _parents(book, environment)
    downloads = {key: book.download(name, arch) for key, name in recipe.downloads.items()}
    return book.dockerfile(
        f"{launcher.name}-{place}",
        recipe.template,
        arch,
        parents={name: makers[parent]() if parent else None for name, parent in recipe.parents.items()},
        files=[
            *downloads.values(),
            *(book.program_file(launcher.folder / name, name) for name in recipe.files),
        ],
        values={
            "glibc": book.catalogue.probe_glibc,
            **{key: item.name for key, item in downloads.items()},
            **recipe.values,
        },
        templates=launcher.folder,
    )


def _parents(book: RecipeBook, environment: CellEnvironment) -> Mapping[Parent, Callable[[], ImageSpec]]:
    base, python, arch = environment.base, environment.python, environment.arch
    makers = {
        Parent.BASE: lambda: base_image(book, base, arch),
        Parent.HOST_BASE: lambda: base_image(book, base, environment.host),
        Parent.COMPILERS: lambda: base_image(book, builder_base(book, arch), arch),
        Parent.TOOLCHAIN: lambda: toolchain(book, arch),
    }
    if isinstance(python, CopiedPython):
        copied: CopiedPython = python
        makers[Parent.INTERPRETER] = lambda: interpreter_image(book, copied, arch)
    return makers
