"""Lazy imports: what they import and when, and that each declaration in the program has an effect."""

import ast
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

import orchestrator
from orchestrator import lazy

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "orchestrator").rglob("*.py"))
IMPORTS = """
__lazy_modules__ = ("heavy",)
import heavy
from heavy import part
"""

pytestmark = pytest.mark.skipif(sys.version_info >= lazy.NATIVE, reason="this Python needs no help")


def importer(text: str, name: str = "orchestrator.importer") -> ModuleType:
    """A module with this text."""
    module = ModuleType(name)
    exec(compile(text, name, "exec"), vars(module))  # noqa: S102 - the text is this file's
    return module


@pytest.fixture
def heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a package `heavy` that imports its own module `part`; neither is imported."""
    folder = tmp_path / "heavy"
    folder.mkdir()
    (folder / "__init__.py").write_text("from heavy.part import value\n")
    (folder / "part.py").write_text("class Value: ...\nvalue = Value()\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in ("heavy", "heavy.part"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("heavy")
def test_a_lazy_module_is_imported_at_its_first_use() -> None:
    module = importer(IMPORTS)
    assert "heavy" not in sys.modules
    assert module.part.value is module.heavy.value
    assert module.heavy is sys.modules["heavy"]
    assert module.part is sys.modules["heavy.part"]


@pytest.mark.usefixtures("heavy")
def test_a_module_that_others_imported_is_bound_at_once() -> None:
    importer("import heavy")
    assert importer(IMPORTS).heavy is sys.modules["heavy"]


@pytest.mark.usefixtures("heavy")
def test_what_is_set_on_a_lazy_module_is_set_on_the_module() -> None:
    importer(IMPORTS).heavy.value = 2
    assert sys.modules["heavy"].__dict__["value"] == 2


@pytest.mark.usefixtures("heavy")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("orchestrator.importer", "import heavy"),
        ("orchestrator.importer", '__lazy_modules__ = ("other",)\nimport heavy'),
        ("orchestrator.importer", '__lazy_modules__ = ("heavy",)\ndef f():\n    import heavy\nf()'),
        ("orchestrator.importer", '__lazy_modules__ = ("heavy.part",)\nimport heavy.part'),
        ("another.importer", '__lazy_modules__ = ("heavy",)\nimport heavy'),
    ],
    ids=["no declaration", "of another", "in a function", "binds the package", "another program's"],
)
def test_every_other_import_is_done_at_once(name: str, text: str) -> None:
    importer(text, name)
    assert "heavy" in sys.modules


def test_what_a_library_does_not_need_for_us_is_imported_at_its_first_use(
    heavy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a module, and as a function that is taken by name."""
    (heavy / "part.py").write_text("def value(number, *, more):\n    return number + more\n")
    monkeypatch.setitem(lazy.OF_LIBRARIES, "heavy", ("a.library", "b.library"))
    whole = importer("import heavy", "a.library")
    named = importer("from heavy import value", "b.library")
    assert "heavy" not in sys.modules
    assert named.value(1, more=2) == whole.heavy.value(1, more=2) == 3
    assert whole.heavy is sys.modules["heavy"]


@pytest.mark.usefixtures("heavy")
def test_another_module_of_a_library_imports_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(lazy.OF_LIBRARIES, "heavy", ("a.library",))
    importer("import heavy", "a.library.part")
    assert "heavy" in sys.modules


def test_each_module_of_a_library_that_is_named_imports_what_is_named() -> None:
    for name, importers in lazy.OF_LIBRARIES.items():
        for other in importers:
            spec = find_spec(other)
            assert spec is not None, f"{other} is gone: take it out of OF_LIBRARIES"
            assert spec.origin is not None
            tree = ast.parse(Path(spec.origin).read_text())
            direct = {
                alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names
            }
            taken = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
            assert name in direct | taken, f"{other} does not import {name}: take it out of OF_LIBRARIES"


EXPORTS = """
__lazy_modules__ = ("orchestrator.exporter.part",)
from orchestrator.exporter.part import Value, value as renamed
"""


@pytest.fixture
def exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package that exports names of its own module `part`."""
    monkeypatch.setattr(orchestrator, "__path__", [*orchestrator.__path__, str(tmp_path)])
    (tmp_path / "exporter").mkdir()
    (tmp_path / "exporter" / "__init__.py").write_text(EXPORTS)
    (tmp_path / "exporter" / "part.py").write_text("class Value: ...\nvalue = Value()\n")
    yield import_module("orchestrator.exporter")
    for name in ("orchestrator.exporter", "orchestrator.exporter.part"):
        sys.modules.pop(name, None)
    del vars(orchestrator)["exporter"]


def test_a_package_exports_names_of_its_modules_lazily(exporter: ModuleType) -> None:
    """As `from package import name`, as an attribute, and to a module that is executed by itself."""
    assert "orchestrator.exporter.part" not in sys.modules
    taken = importer("from orchestrator.exporter import Value").Value
    part = sys.modules["orchestrator.exporter.part"]
    assert taken is part.__dict__["Value"]
    assert isinstance(exporter.renamed, taken)
    assert vars(exporter)["renamed"] is part.__dict__["value"]
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = exporter.no_such_name


def test_a_name_that_its_module_lacks_is_an_error_at_its_first_use(exporter: ModuleType) -> None:
    (Path(str(exporter.__file__)).parent / "part.py").write_text("value = 1\n")
    with pytest.raises(ImportError, match=r"cannot import name 'Value' from 'orchestrator\.exporter'"):
        importer("from orchestrator.exporter import Value")


def test_a_module_that_is_missing_is_an_error_at_its_first_use() -> None:
    module = importer('__lazy_modules__ = ("no_such_module",)\nimport no_such_module')
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        _ = module.no_such_module.value


def test_threads_see_a_lazy_module_whole(heavy: Path) -> None:
    """importlib.util.LazyLoader of Python 3.11 shows the second one a module that is still being imported."""
    (heavy / "part.py").write_text("import time\ntime.sleep(0.05)\nvalue = 1\n")
    module = importer(IMPORTS)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: module.heavy.value, range(4))) == {1}


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if "\n__lazy_modules__" in path.read_text()], ids=lambda path: path.stem
)
def test_each_declaration_has_an_effect(path: Path) -> None:
    """A name that no import of the module has, or whose imports bind no module, would change nothing.

    A package cannot export a name lazily that one of its modules has: importing the module binds that.
    """
    tree = ast.parse(path.read_text())
    declared: set[str] = set()
    taken: dict[str, list[str]] = {}
    package = "orchestrator." + ".".join(path.relative_to(ROOT / "orchestrator").parent.parts)
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__lazy_modules__":
            declared = set(ast.literal_eval(node.value))
        elif isinstance(node, ast.Import):
            taken |= {alias.name: [] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            own = path.name == "__init__.py" and node.module.startswith(f"{package}.")
            taken[node.module] = [node.module if own else f"{node.module}.{item.name}" for item in node.names]
            shadowed = [
                item.name for item in node.names if own and (path.parent / f"{item.name}.py").exists()
            ]
            assert not (shadowed and node.module in declared)
    assert declared <= taken.keys()
    assert [name for module in declared for name in taken[module] if find_spec(name) is None] == []
