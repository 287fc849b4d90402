"""Documents that are valid by a JSON schema, as pydantic writes it, with hostile values in every place."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from hypothesis import strategies as st

from tests.fuzz.folders import TEXTS

Json = Any
MOST: Final = 3
"""Items of a list, and entries of a map."""
BIG: Final = 1 << 64


def documents(schema: Mapping[str, Json]) -> st.SearchStrategy[Json]:
    """Values of a schema of which each definition is in its own `$defs`."""
    return _Values(schema.get("$defs", {})).of(schema)


class _Values:
    """Strategies by schema; a definition's is made once."""

    def __init__(self, definitions: Mapping[str, Mapping[str, Json]]) -> None:
        self._definitions = definitions
        self._made: dict[str, st.SearchStrategy[Json]] = {}

    def of(self, schema: Mapping[str, Json]) -> st.SearchStrategy[Json]:
        """The values of a schema."""
        if "$ref" in schema:
            return self._defined(schema["$ref"].rpartition("/")[2])
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return st.one_of([self.of(one) for one in schema[several]])
        kinds: dict[str, Callable[[Mapping[str, Json]], st.SearchStrategy[Json]]] = {
            "object": self._object, "array": self._array, "string": _string, "integer": _integer,
            "number": _number, "boolean": lambda _: st.booleans(),
        }  # fmt: skip
        kind = schema.get("type")
        return kinds[kind](schema) if kind in kinds else st.none()

    def _defined(self, name: str) -> st.SearchStrategy[Json]:
        if name not in self._made:
            self._made[name] = st.deferred(lambda: self.of(self._definitions[name]))
        return self._made[name]

    def _object(self, schema: Mapping[str, Json]) -> st.SearchStrategy[Json]:
        known = {name: self.of(one) for name, one in schema.get("properties", {}).items()}
        if known:
            required = {name: known.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=known)
        more = schema.get("additionalProperties")
        return st.dictionaries(TEXT, self.of(more) if isinstance(more, Mapping) else st.none(), max_size=MOST)

    def _array(self, schema: Mapping[str, Json]) -> st.SearchStrategy[Json]:
        if "prefixItems" in schema:
            return st.tuples(*map(self.of, schema["prefixItems"])).map(list)
        return st.lists(self.of(schema.get("items", {})), max_size=min(MOST, schema.get("maxItems", MOST)))


TEXT: Final = st.one_of(st.sampled_from(TEXTS), st.text(max_size=12))


def _string(schema: Mapping[str, Json]) -> st.SearchStrategy[Json]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    longest = schema.get("maxLength", len(max(TEXTS, key=len)))
    return TEXT.filter(lambda text: schema.get("minLength", 0) <= len(text) <= longest)


def _integer(schema: Mapping[str, Json]) -> st.SearchStrategy[Json]:
    least = schema.get("minimum", schema.get("exclusiveMinimum", -BIG - 1) + 1)
    most = schema.get("maximum", schema.get("exclusiveMaximum", BIG + 1) - 1)
    return st.one_of(st.sampled_from([least, most]), st.integers(least, most))


def _number(schema: Mapping[str, Json]) -> st.SearchStrategy[Json]:
    least, most = schema.get("minimum"), schema.get("maximum")
    return st.floats(
        schema.get("exclusiveMinimum", least), schema.get("exclusiveMaximum", most),
        exclude_min="exclusiveMinimum" in schema, exclude_max="exclusiveMaximum" in schema,
        allow_nan=False, allow_infinity=False,
    )  # fmt: skip
