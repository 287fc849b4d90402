"""YAML files that people write, read safely, with the place of everything for error messages."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.errors import InputError, Location

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
MAX_NODES: Final = 50_000
"""Counted with every alias expanded, so that a few nested aliases cannot stand for a billion nodes."""

M = TypeVar("M", bound=BaseModel)
Path_ = tuple[str | int, ...]
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
)
_SCALARS: Final = {
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:bool": "true or false",
    "tag:yaml.org,2002:timestamp": "a date",
}


@dataclass(frozen=True, kw_only=True)
class Document(Generic[M]):
    """A validated file, and where each of its nodes stands."""

    value: M
    file: str
    nodes: dict[Path_, yaml.Node]

    def where(self, *path: str | int) -> Location:
        """The place of the node at a path, or of its nearest ancestor."""
        while path and path not in self.nodes:
            path = path[:-1]
        return _location(self.file, self.nodes[path].start_mark)

    def text_start(self, *path: str | int) -> Location:
        """Where the text of a scalar begins: behind its quote, so that columns inside it add up."""
        node, place = self.nodes.get(path), self.where(*path)
        quoted = isinstance(node, yaml.ScalarNode) and node.style in {"'", '"'}
        return Location(file=place.file, line=place.line, column=(place.column or 1) + quoted)


def load(path: Path, model: type[M]) -> M:
    """Read and validate a file; raises InputError with file, line and column."""
    return read(path, model).value


def read(path: Path, model: type[M]) -> Document[M]:
    """Read and validate a file, keeping the places; raises InputError with file, line and column."""
    file = shown(path)
    root = _compose(file, _text(path, file))
    nodes: dict[Path_, yaml.Node] = {}
    data = _Builder(file, nodes).build(root, ())
    try:
        value = model.model_validate(data)
    except ValidationError as error:
        raise _explain(error.errors(), file, nodes, model) from error
    return Document(value=value, file=file, nodes=nodes)


def dump(content: dict[str, Any]) -> str:
    """Plain data as YAML that people can read; strings that look like numbers are quoted."""
    text: str = yaml.safe_dump(content, sort_keys=False, width=200, default_flow_style=False)
    return text


def shown(path: Path) -> str:
    """A path as messages show it: relative to the current folder where it lies in it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def nearest(word: str, known: Iterable[str]) -> str:
    """Words for an error's next step: the nearest known names, or all of them where none is near."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names) or 'none'}"


def _text(path: Path, file: str) -> str:
    place = Location(file=file)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise InputError(
            "the file does not exist",
            where=place,
            hint="create it, or name the project's folder with --project",
        ) from error
    except OSError as error:
        raise InputError(
            f"the file cannot be read: {error.strerror}", where=place, hint="make it a readable file"
        ) from error
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
        _check_depth(file, text)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _location(file, mark) if mark else Location(file=file)
        raise InputError(
            f"not valid YAML: {error.problem}", where=place, hint="correct the syntax"
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
            hint="start from the one in crashmatrix's own repository",
        )
    if not isinstance(root, yaml.MappingNode):
        raise InputError(
            "the file must be a mapping (name: value lines)",
            where=_location(file, root.start_mark),
            hint="see docs/matrix.md",
        )
    return root


def _check_depth(file: str, text: str) -> None:
    """Refuse deep nesting before anything recursive reads it."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise InputError(
                f"nested deeper than {MAX_DEPTH} levels",
                where=_location(file, event.start_mark),
                hint="flatten it",
            )


class _Builder:
    """Turns nodes into plain data: strings, numbers, lists and mappings with unique string keys."""

    def __init__(self, file: str, nodes: dict[Path_, yaml.Node]) -> None:
        self._file = file
        self._nodes = nodes
        self._scalars = yaml.SafeLoader("")

    def build(self, node: yaml.Node, path: Path_) -> Any:  # noqa: ANN401 - pydantic validates it next
        self._nodes[path] = node
        if node.tag not in _TAGS:
            raise InputError(
                f"the tag {node.tag} is not accepted",
                hint="remove it",
                where=_location(self._file, node.start_mark),
            )
        if len(self._nodes) > MAX_NODES or len(path) > MAX_DEPTH:
            raise InputError(
                f"aliases expand to more than {MAX_NODES} values",
                where=_location(self._file, node.start_mark),
                hint="write them out",
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            place = _location(self._file, key.start_mark)
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise InputError("a key must be a plain word", where=place, hint="put it in quotes")
            if key.value in data:
                first = self._nodes[(*path, key.value)].start_mark.line + 1
                raise InputError(
                    f"{key.value!r} stands here twice (first on line {first})",
                    where=place,
                    hint="keep one of the two",
                )
            data[key.value] = self.build(value, (*path, key.value))
        return data

    def _scalar(self, node: yaml.Node) -> Any:  # noqa: ANN401 - pydantic validates it next
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise InputError(
                f"{node.value[:40]!r} cannot be read",
                hint="put it in quotes",
                where=_location(self._file, node.start_mark),
            ) from error


def _location(file: str, mark: Any) -> Location:  # noqa: ANN401 - PyYAML's C and Python marks differ
    return Location(file=file, line=mark.line + 1, column=mark.column + 1)


def _explain(
    errors: list[ErrorDetails], file: str, nodes: dict[Path_, yaml.Node], model: type[BaseModel]
) -> InputError:
    """The first of pydantic's errors as one line, with its place and the next thing to do."""
    # A misspelt key is the cause of the missing one that is reported beside it.
    first = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    path: Path_ = first["loc"]
    known: Path_ = ()
    for part in path:
        # Of a union's member pydantic puts the tag into the path, where the file has none.
        known = (*known, part) if (*known, part) in nodes else known
    node = nodes[known]
    name = ".".join(str(part) for part in path) or "the file"
    what, hint = f"{name}: {first['msg'].removeprefix('Value error, ')}", "correct it"
    if first["type"] == "extra_forbidden":
        what = f"unknown key {path[-1]!r}"
        hint = nearest(str(path[-1]), _fields(model, path[:-1]))
    elif first["type"] == "missing":
        what, hint = f"{name} is missing", "add it"
    elif first["type"] == "string_type" and isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
        what = f"{name}: {node.value} is {_SCALARS[node.tag]} to YAML, not a string"
        hint = f'write "{node.value}" in quotes'
    if len(errors) > 1:
        hint += f" ({len(errors) - 1} more wrong in this file)"
    return InputError(what, where=_location(file, node.start_mark), hint=hint)


def _fields(model: type[BaseModel], path: Path_) -> tuple[str, ...]:
    """The field names that are allowed at a path of a model, by their names in the file."""
    kind: Any = model
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            by_name = {info.alias or name: info for name, info in kind.model_fields.items()}
            kind = by_name[str(part)].annotation if str(part) in by_name else None
        elif (member := _tagged(kind, str(part))) is not None:
            kind = member
        else:
            inner = [arg for arg in get_args(kind) if arg is not Ellipsis and arg is not type(None)]
            kind = inner[-1] if inner else None
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return ()
    return tuple(info.alias or name for name, info in kind.model_fields.items())


def _tagged(kind: Any, tag: str) -> type[BaseModel] | None:  # noqa: ANN401 - any annotation
    """The member of a union that a literal in one of its fields names, as pydantic chooses it."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        literals = (get_args(info.annotation) for info in kind.model_fields.values())
        return kind if any(tag in values for values in literals) else None
    found = (_tagged(member, tag) for member in get_args(kind))
    return next((member for member in found if member), None)
