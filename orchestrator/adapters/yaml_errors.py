"""The mistakes of a YAML file against its model, one line each, and the parts without mistakes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, NoReturn, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from orchestrator.adapters.suggest import nearest
from orchestrator.errors import InputError, Location

M = TypeVar("M", bound=BaseModel)
NodePath = tuple[str | int, ...]
Nodes = Mapping[NodePath, yaml.Node]
_HINTED: Final = "hinted"
_NOT_STRINGS: Final = {
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:bool": "true or false",
    "tag:yaml.org,2002:timestamp": "a date",
}


def refuse(what: str, hint: str) -> NoReturn:
    """Refuse a value in one of pydantic's validators, with the next step of the error."""
    raise PydanticCustomError(_HINTED, "{what}", {"what": what, "hint": hint})


def location(file: str, mark: Any) -> Location:  # noqa: ANN401 - PyYAML's C and Python marks differ
    """The place of a mark of PyYAML's, which counts from 0."""
    return Location(file=file, line=mark.line + 1, column=mark.column + 1)


def explain(
    errors: Iterable[ErrorDetails], file: str, nodes: Nodes, model: type[BaseModel]
) -> list[InputError]:
    """Each of pydantic's errors as one line, with its place and the next step."""
    errors = list(errors)
    misspelt = {
        (error["loc"][:-1], nearest(str(error["loc"][-1]), _fields(model, error["loc"][:-1])))
        for error in errors
        if error["type"] == "extra_forbidden"
    }

    def follows(error: ErrorDetails) -> bool:
        """Whether another error is the cause: a misspelt key, or the wrong entries of a list too short."""
        *parents, last = error["loc"] or ("",)
        if error["type"] == "missing":
            return (tuple(parents), f"did you mean {last!r}?") in misspelt
        inner = (other["loc"] for other in errors if other is not error)
        return error["type"] == "too_short" and any(loc[: len(error["loc"])] == error["loc"] for loc in inner)

    causes = [error for error in errors if not follows(error)]
    alike: dict[tuple[NodePath, bool], list[ErrorDetails]] = {}
    for number, error in enumerate(causes):
        path = error["loc"]
        of_union = _known(path, nodes) != path and error["type"] not in ("missing", "extra_forbidden")
        alike.setdefault((_known(path, nodes) if of_union else (*path, number), of_union), []).append(error)
    return [_explained(group, file, nodes, model) for group in alike.values()]


def _explained(group: Sequence[ErrorDetails], file: str, nodes: Nodes, model: type[BaseModel]) -> InputError:
    """An error, or those of all members of a union for one value, as one line."""
    error = group[0]
    path, kind, context = error["loc"], error["type"], error.get("ctx", {})
    known = _known(path, nodes)
    node, name = nodes[known], ".".join(map(str, known if len(group) > 1 else path)) or "the file"
    messages = " or ".join(one["msg"].removeprefix("Value error, ") for one in group)
    what, hint = f"{name}: {messages}", "correct it"
    if kind == _HINTED:
        what, hint = f"{name}: {context['what']}", context["hint"]
    elif kind == "extra_forbidden":
        what = f"unknown key {path[-1]!r}"
        hint = nearest(str(path[-1]), _fields(model, path[:-1]))
    elif kind == "missing":
        what, hint = f"{name} is missing", "add it"
    elif isinstance(node, yaml.ScalarNode) and kind == "string_type" and node.tag in _NOT_STRINGS:
        what = f"{name}: {node.value} is {_NOT_STRINGS[node.tag]} to YAML, not a string"
        hint = f'write "{node.value}" in quotes'
    elif isinstance(node, yaml.ScalarNode) and kind == "tuple_type" and node.value:
        quote = '"' if node.style or node.tag in _NOT_STRINGS else ""
        what, hint = f"{name}: this is one value, not a list", f"write [{quote}{node.value}{quote}]"
    return InputError(what, where=location(file, node.start_mark), hint=hint)


def _known(path: NodePath, nodes: Nodes) -> NodePath:
    """The part of an error's path that the file has: pydantic adds the tag of a union's member."""
    known: NodePath = ()
    for part in path:
        known = (*known, part) if (*known, part) in nodes else known
    return known


def _fields(model: type[BaseModel], path: NodePath) -> tuple[str, ...]:
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


class Salvage:
    """The parts of a file that are valid by its model, so that later checks run on them in the same call.

    A scalar that should be a string, or a list of one, is taken for it. Any other entry of a list or mapping
    that has a mistake is left out, and with it its nodes. A field of the file itself that has one is in
    `broken`, and empty or None in the value, whatever its type.
    """

    def __init__(self, data: dict[Any, Any], errors: Iterable[ErrorDetails], nodes: Nodes) -> None:
        """Leave out of `data` what the errors are about, or correct it there."""
        others = [error for error in errors if not _corrected(data, error, nodes)]
        paths = [(error["loc"], _known(error["loc"], nodes)) for error in others]
        self.left_out = {known[:2]: data[known[0]][known[1]] for _, known in paths if len(known) > 1}
        self.broken = {str(loc[0]) for loc, known in paths if len(known) < 2 and loc}
        self._data = {key: self._kept(key, value) for key, value in data.items() if key not in self.broken}
        self.nodes = {
            self._moved(path): node for path, node in nodes.items() if path[:2] not in self.left_out
        }

    def value(self, model: type[M]) -> M:
        """The model of what is valid."""
        fields: dict[str, Any] = {}
        for name, info in model.model_fields.items():
            key = info.alias or name
            if key in self._data:
                # Annotated takes one piece of metadata at least.
                kind: Any = Annotated[info.annotation, key, *info.metadata]
                try:
                    fields[name] = TypeAdapter(kind).validate_python(self._data[key])
                    continue
                except ValidationError:  # such as a list that has no entry left
                    self.broken.add(key)
            if key in self.broken or info.is_required():
                self.broken.add(key)
                origin = get_origin(info.annotation)
                fields[name] = origin() if origin in (dict, tuple) else None
        return model.model_construct(**fields)

    def _kept(self, key: str, value: Any) -> Any:  # noqa: ANN401 - plain data
        if isinstance(value, dict):
            return {name: entry for name, entry in value.items() if (key, name) not in self.left_out}
        if isinstance(value, list):
            return [entry for index, entry in enumerate(value) if (key, index) not in self.left_out]
        return value

    def _moved(self, path: NodePath) -> NodePath:
        """A node's path with the index that its list's entry has without those that are left out."""
        if len(path) < 2 or not isinstance(path[1], int):
            return path
        before = sum((path[0], index) in self.left_out for index in range(path[1]))
        return (path[0], path[1] - before, *path[2:])


def _corrected(data: Any, error: ErrorDetails, nodes: Nodes) -> bool:  # noqa: ANN401 - plain data
    """Whether an entry is what it should be once its scalar is taken as text; puts that into the data."""
    node, kind = nodes.get(error["loc"]), error["type"]
    if not isinstance(node, yaml.ScalarNode) or not node.value or kind not in ("string_type", "tuple_type"):
        return False
    *parents, last = error["loc"]
    for part in parents:
        data = data[part]
    data[last] = node.value if kind == "string_type" else [node.value]
    return True
