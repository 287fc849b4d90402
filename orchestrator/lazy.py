"""Imports that wait for their first use: `__lazy_modules__` (PEP 810) before Python 3.15.

A module names what it imports lazily in one line above its imports:

    __lazy_modules__ = ("docker", "orchestrator.pipeline")

    import docker
    from orchestrator.pipeline import merge, planning

`docker`, `orchestrator.pipeline.merge` and `orchestrator.pipeline.planning` are imported when one of their
attributes is first used. Python 3.15 reads that line itself; before it, `install` does. Unlike Python 3.15 it
makes only modules lazy: `from docker import DockerClient` would be an error at the first use.
"""

import builtins
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, Final

NATIVE: Final = (3, 15)
"""The first Python that reads `__lazy_modules__` itself."""
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
    if isinstance(globals, dict) and globals is locals and _is_lazy(name, globals):
        if fromlist:
            return _LazyPackage(name, globals)
        if "." not in name:
            return _lazy(name, globals)
    return _import(name, globals, locals, fromlist or (), level)


def _is_lazy(name: str, importer: dict[str, Any]) -> bool:
    own = str(importer.get("__name__")).partition(".")[0] == _PACKAGE
    return own and name in importer.get("__lazy_modules__", ())


def _lazy(name: str, importer: dict[str, Any]) -> object:
    return import_module(name) if name in sys.modules else _LazyModule(name, importer)


class _LazyPackage:
    """What `from package import module` takes the module from."""

    def __init__(self, name: str, importer: dict[str, Any]) -> None:
        self._name = name
        self._importer = importer

    def __getattr__(self, name: str) -> object:
        return _lazy(f"{self._name}.{name}", self._importer)


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
