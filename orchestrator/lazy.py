"""Imports that wait for their first use: `__lazy_modules__` (PEP 810) before Python 3.15.

A module names what it imports lazily in one line above its imports:

    __lazy_modules__ = ("docker", "orchestrator.pipeline")

    import docker
    from orchestrator.pipeline import merge, planning

`docker`, `orchestrator.pipeline.merge` and `orchestrator.pipeline.planning` are imported when one of their
attributes is first used. Python 3.15 reads that line itself; before it, `install` does. Unlike Python 3.15 it
makes only modules lazy: `from docker import DockerClient` would be an error at the first use.

A package may also export the names of its own modules lazily:

    __lazy_modules__ = ("orchestrator.model.cell",)

    from orchestrator.model.cell import Cell

`orchestrator.model.cell` is imported when somebody takes `Cell` from the package. Before Python 3.15 the
package itself cannot use such a name.

A library imports what it needs for some of its users at once. `OF_LIBRARIES` names what this program's use of
it does not need.
"""

import builtins
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, Final

NATIVE: Final = (3, 15)
"""The first Python that reads `__lazy_modules__` itself."""
OF_LIBRARIES: Final[dict[str, tuple[str, ...]]] = {
    "importlib.metadata": ("pydantic.plugin._loader", "urllib3.http2"),
    "secrets": ("pydantic.types",),
}
"""What modules of libraries import, and those modules.

pydantic's plugins are off, the engine speaks no HTTP/2, and no value is a secret. This saves 4 % of
`plan --list`. Functions alone may be taken from there by name.
"""
_PACKAGE: Final = __name__.partition(".")[0]
_import: Final = builtins.__import__


def install() -> None:
    """Have the import statements of this package follow `__lazy_modules__`."""
    if sys.version_info < NATIVE:
        builtins.__import__ = _lazy_import


def _lazy_import(
    name: str,
    globals: Mapping[str, object] | None = None,  # noqa: A002 - the parameters of __import__
    locals: Mapping[str, object] | None = None,  # noqa: A002
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> Any:  # noqa: ANN401 - a module, or what stands for one
    """What an import statement binds, or takes names from; lazy at the top of a module that says so."""
    # Most imports are in modules of others, or in functions: a name is looked for before all else.
    if (
        isinstance(globals, dict)
        and name in globals.get("__lazy_modules__", ())
        and globals is locals
        and _is_own(globals)
    ):
        if fromlist:
            return _Exported(name, globals) if _is_own_module(name, globals) else _LazyPackage(name, globals)
        if "." not in name:
            return _lazy(name, globals)
    if name in OF_LIBRARIES and isinstance(globals, dict) and globals.get("__name__") in OF_LIBRARIES[name]:
        return _of_library(name, globals, fromlist)
    return _import(name, globals, locals, fromlist or (), level)


def _of_library(name: str, importer: dict[str, Any], fromlist: Sequence[str] | None) -> object:
    return _LazyFunctions(name) if fromlist else _lazy(name, importer)


def _is_own(importer: dict[str, Any]) -> bool:
    """Whether a module of this package imports."""
    return str(importer.get("__name__")).partition(".")[0] == _PACKAGE


def _is_own_module(name: str, importer: dict[str, Any]) -> bool:
    """Whether the importer is a package and `name` is in it."""
    return "__path__" in importer and name.startswith(f"{importer['__name__']}.")


def _lazy(name: str, importer: dict[str, Any]) -> object:
    return import_module(name) if name in sys.modules else _LazyModule(name, importer)


class _LazyPackage:
    """What `from package import module` takes the module from."""

    def __init__(self, name: str, importer: dict[str, Any]) -> None:
        self._name = name
        self._importer = importer

    def __getattr__(self, name: str) -> object:
        return _lazy(f"{self._name}.{name}", self._importer)


class _LazyFunctions:
    """What a library takes functions from by name; each imports their module when it is called."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            return getattr(import_module(self._name), name)(*args, **kwargs)

        return call


class _LazyModule:
    """Stands for a module in the namespace of its importer until it is first used."""

    def __init__(self, name: str, importer: dict[str, Any]) -> None:
        vars(self).update(_name=name, _importer=importer)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a module
        return getattr(self._import(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._import(), name, value)

    def _import(self) -> ModuleType:
        """Import the module, and put it in the place of this object."""
        module = import_module(self._name)
        importer: dict[str, Any] = self._importer
        for name in [name for name, value in importer.items() if value is self]:
            importer[name] = module
        return module


class _Exported:
    """What a package takes the names from that it exports lazily; makes the package give them out."""

    def __init__(self, name: str, package: dict[str, Any]) -> None:
        self._name = name
        sys.modules[package["__name__"]].__class__ = _ExportingPackage

    def __getattr__(self, name: str) -> object:
        return _LazyName(self._name, name)


class _LazyName:
    """Stands for a name of a module in the namespace of its package until somebody takes it from there."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name


class _ExportingPackage(ModuleType):
    """A package that imports the module of an exported name when the name is first taken from it."""

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a module
        value = super().__getattribute__(name)
        kind = type(value)
        if kind is _LazyName:
            value = vars(self)[name] = getattr(import_module(value.module), value.name)
        elif kind is _LazyModule:
            value = value._import()  # noqa: SLF001 - its taker would have the stand-in for ever
        return value
