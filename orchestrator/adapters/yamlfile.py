"""YAML files that people write, read safely, with the place of everything for error messages."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from orchestrator.adapters.inside import open_inside
from orchestrator.adapters.yaml_errors import NodePath, Nodes, Salvage, explain, location
from orchestrator.errors import ErrorList, InputError, Location

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
MAX_NODES: Final = 50_000
"""Counted with every alias expanded, so that a few nested aliases cannot stand for a billion nodes."""

M = TypeVar("M", bound=BaseModel)
_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
)


class _TooDeepError(yaml.YAMLError):
    """Nodes are nested too deep for recursion; `mark` is where the first of them begins."""

    def __init__(self, mark: yaml.Mark) -> None:
        super().__init__()
        self.mark = mark


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Composes nodes, but none that are nested too deep.

    The composer calls these two methods of the resolver around each node, before it reads what is in it.
    """

    _depth = 0

    def descend_resolver(self, parent: yaml.Node | None, _index: Any) -> None:  # noqa: ANN401 - PyYAML's
        self._depth += 1
        if parent is not None and self._depth > MAX_DEPTH + 1:
            raise _TooDeepError(parent.start_mark)

    def ascend_resolver(self) -> None:
        self._depth -= 1


@dataclass(frozen=True, kw_only=True)
class Document(Generic[M]):
    """A validated file, and where each of its nodes stands."""

    value: M
    file: str
    nodes: Nodes
    broken: frozenset[str] = frozenset()
    """Fields of the file that are invalid and therefore not in `value`; their errors are raised later."""
    left_out: Mapping[NodePath, Any] = field(default_factory=dict)
    """Invalid entries of a field, by (field, key), as plain data; they are not in `value` either."""
    every_node: Nodes = field(default_factory=dict)
    """The nodes of those too; in `nodes` the entries of a list are numbered without them."""

    def where(self, *path: str | int) -> Location:
        """The place of the node at a path, or of its nearest ancestor."""
        while path and path not in self.nodes:
            path = path[:-1]
        return location(self.file, self.nodes[path].start_mark)

    def text_start(self, *path: str | int) -> Location:
        """Where the text of a scalar begins: behind its quote, so that columns inside it add up."""
        place = self.where(*path)
        return _inside(self.nodes[path], place) if path in self.nodes else place

    def texts_left_out(self, name: str, key: str) -> Iterator[tuple[str, Location]]:
        """The texts under a key in those entries of a field that are left out, and where they begin."""
        for path, entry in self.left_out.items():
            if path[0] == name and isinstance(entry, dict) and isinstance(entry.get(key), str):
                node = self.every_node[(*path, key)]
                yield entry[key], _inside(node, location(self.file, node.start_mark))


def _inside(node: yaml.Node, place: Location) -> Location:
    """Where the text of a scalar begins: behind its quote."""
    quoted = isinstance(node, yaml.ScalarNode) and node.style in {"'", '"'}
    return Location(file=place.file, line=place.line, column=(place.column or 1) + quoted)


def load(path: Path, model: type[M]) -> M:
    """Read and validate a file; raises InputError with file, line and column."""
    return read(path, model).value


def read(
    path: Path, model: type[M], errors: ErrorList | None = None, root: Path | None = None
) -> Document[M]:
    """Read and validate a file, keeping the places; raises MultipleInputError with file, line and column.

    With a list of `errors` the mistakes are added to it, and the document holds what is valid, to be checked
    further: the caller raises them all (`ErrorList.raise_all`) before it uses the document.

    A link that leads out of `root`, by default the file's folder, is refused: errors show what a file says.
    """
    found = errors if errors is not None else ErrorList()
    file = shown(path)
    top = _compose(file, _text(path, root or path.parent, file))
    nodes: dict[NodePath, yaml.Node] = {}
    data = _Builder(file, nodes, found).build(top, ())
    try:
        document = Document(value=model.model_validate(data), file=file, nodes=nodes)
    except ValidationError as error:
        found.add(*explain(error.errors(), file, nodes, model))
        valid = Salvage(data, error.errors(), nodes)
        value = valid.value(model)  # it finds further mistakes
        document = Document(
            value=value,
            file=file,
            nodes=valid.nodes,
            broken=frozenset(valid.broken),
            left_out=valid.left_out,
            every_node=nodes,
        )
    if errors is None:
        found.raise_all()
    return document


def dump(content: dict[str, Any]) -> str:
    """Plain data as YAML that people can read; strings that look like numbers are quoted."""
    text: str = yaml.safe_dump(content, sort_keys=False, width=200, default_flow_style=False)
    return text


def flow(value: object) -> str:
    """A string, number or sequence of strings on one line of YAML, in quotes where it needs them."""
    plain = list(value) if isinstance(value, tuple) else value
    # In other styles a line break would stay one.
    style = '"' if "\n" in "".join(value if isinstance(value, (str, tuple)) else ()) else None
    text: str = yaml.safe_dump(
        [plain], default_style=style, default_flow_style=True, allow_unicode=True, width=float("inf")
    )
    return text.strip()[1:-1]


def shown(path: Path) -> str:
    """A path for messages: relative to the current folder if it is below it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _text(path: Path, root: Path, file: str) -> str:
    place = Location(file=file)
    if not os.path.lexists(path):
        raise InputError(
            "the file does not exist",
            where=place,
            hint="create it, or name the project's folder with --project",
        )
    with open_inside(path, root, place) as stream:
        raw = stream.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise InputError(
            f"the file is larger than {MAX_BYTES // 1024} KiB",
            where=place,
            hint="a matrix is small; look for what was written there by mistake",
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            "the file is not UTF-8 text", where=Location(file=file, line=line), hint="save it as UTF-8"
        ) from error


def _compose(file: str, text: str) -> yaml.Node:
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = location(file, mark) if mark else Location(file=file)
        raise InputError(
            f"not valid YAML: {error.problem}", where=place, hint="correct the syntax"
        ) from error
    except _TooDeepError as error:
        raise InputError(
            f"nested deeper than {MAX_DEPTH} levels", where=location(file, error.mark), hint="flatten it"
        ) from error
    except yaml.YAMLError as error:
        said = str(error).splitlines()[0]
        raise InputError(
            f"not valid YAML: {said}", where=Location(file=file), hint="correct the syntax"
        ) from error
    if root is None:
        raise InputError(
            "the file is empty",
            where=Location(file=file),
            hint="write `schema: 1`, or have `crashmatrix init` make it",
        )
    if not isinstance(root, yaml.MappingNode):
        raise InputError(
            "the file must be a mapping (name: value lines)",
            where=location(file, root.start_mark),
            hint="start it with `schema: 1`",
        )
    return root


class _Builder:
    """Turns nodes into plain data: strings, numbers, lists and mappings with unique string keys."""

    def __init__(self, file: str, nodes: dict[NodePath, yaml.Node], errors: ErrorList) -> None:
        self._file = file
        self._nodes = nodes
        self._errors = errors
        self._scalars = _Loader("")

    def build(self, node: yaml.Node, path: NodePath) -> Any:  # noqa: ANN401 - pydantic validates it next
        self._nodes[path] = node
        if node.tag not in _TAGS:
            raise InputError(
                f"the tag {node.tag} is not accepted",
                hint="remove it",
                where=location(self._file, node.start_mark),
            )
        if len(self._nodes) > MAX_NODES or len(path) > MAX_DEPTH:
            raise InputError(
                f"aliases expand to more than {MAX_NODES} values",
                where=location(self._file, node.start_mark),
                hint="write them out",
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: NodePath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            place = location(self._file, key.start_mark)
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                self._errors.add(
                    InputError("a key must be a plain word", where=place, hint="put it in quotes")
                )
            elif key.value in data:
                first = self._nodes[(*path, key.value)].start_mark.line + 1
                what = f"duplicate {key.value!r}, first on line {first}"
                self._errors.add(InputError(what, where=place, hint="remove one"))
            else:
                data[key.value] = self.build(value, (*path, key.value))
        return data

    def _scalar(self, node: yaml.Node) -> Any:  # noqa: ANN401 - pydantic validates it next
        if node.tag == "tag:yaml.org,2002:str":
            return node.value
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise InputError(
                f"{node.value[:40]!r} cannot be read",
                hint="put it in quotes",
                where=location(self._file, node.start_mark),
            ) from error
