"""Writes the reference of the site, docs/reference/*.md, from the program: `python -m docs.generate`.

Commands come from the argument parser, documents from the types that write them, and hazards from the
battery, so no page of the reference can fall behind the program. `nox -s docs` runs this before Sphinx.
"""

import argparse
import ast
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from orchestrator import check, errors
from orchestrator.cli.help_text import HelpAll, whole_notes
from orchestrator.cli.options import build_parser
from orchestrator.cli.schemas import SCHEMAS
from orchestrator.rundir import layout

DOCS: Final = Path(__file__).resolve().parent
FOLDER: Final = "reference"
USERS_FILES: Final = {"matrix": "matrix.yaml", "scenario": "scenarios/NAME.yaml"}
"""Documents that a user writes."""
PRINTED: Final = {"check": "check.json", "crash": "`crashmatrix analyze --json`"}
"""Documents that are not among a run's derived ones."""
HOLDS: Final = {
    "bisection": "between which two values of an axis the outcome flips",
    "causes": "what went wrong, once each, worst and newest first",
    "check": "what each package of a check did in each environment",
    "comparison": "what changed since a baseline",
    "crash": "a core that was read: signal, stacks, registers, modules, environment",
    "digest": "what later histories take from this run",
    "explanations": "which axes make the difference, and the sentences that state it",
    "history": "this run and the earlier runs beside it, oldest first",
    "matrix": "axes, exclusions and profiles",
    "plan": "the cells that run, and those that are excluded, with the reasons",
    "result": "everything known about a cell after its end",
    "scenario": "what runs, what it needs and what is expected",
}
EXIT_CODES: Final = (
    (errors.EXIT_OK, "All cells are as expected, or the command did what it was told."),
    (errors.EXIT_FAILED, "Some cell failed. Of `check`: a crash or a hang. Of `diff`: a cell changed."),
    (errors.EXIT_INPUT, "The input is wrong: a flag, a file, an expression. Nothing ran."),
    (errors.EXIT_HOST, "The host or the engine failed, a cell had an error, or a cell did not run."),
)


def pages() -> Mapping[str, str]:
    """The text of each page by its file name."""
    found = {"commands.md": commands_page(), "documents.md": documents_page(), "hazards.md": hazards_page()}
    found.update({f"{name}.md": document_page(name) for name in SCHEMAS})
    return {"index.md": index_page(), **found}


def index_page() -> str:
    """The start of the reference, with the exit codes."""
    codes = "\n".join(f"| {code} | {words} |" for code, words in EXIT_CODES)
    documents = "\n".join(name for name in SCHEMAS)
    return f"""# Reference

These pages are generated from the program when the site is built.

- [Commands](commands.md): each command with its flags, examples and exit codes.
- [Documents](documents.md): the files of a run and the files that you write, with their JSON schemas.
- [Hazards](hazards.md): the lifecycle battery of `crashmatrix check`.

## Exit codes

| code | meaning |
|---|---|
{codes}

`--help` of a command states what a code means there, where it differs.

```{{toctree}}
:hidden:

commands
hazards
documents
{documents}
```
"""


def commands() -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Each command: its words, its title and its parser."""
    yield from _commands_of(build_parser(), ())


def _commands_of(
    parser: argparse.ArgumentParser, words: tuple[str, ...]
) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to walk over a parser
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            titles = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001
            for name, below in action.choices.items():
                deeper = list(_commands_of(below, (*words, name)))
                yield from deeper or [(" ".join((*words, name)), titles[name], below)]


def commands_page() -> str:
    """All commands, each with its usage, examples and flags."""
    sections = [_command_section(*command) for command in commands()]
    head = ("# Commands", "Flags that stand before any command:", _flag_table(build_parser()))
    return "\n\n".join(head) + "\n\n" + "\n".join(sections)


def _command_section(words: str, title: str, parser: argparse.ArgumentParser) -> str:
    _, _, examples = (parser.description or "").partition("\n\n")
    usage = parser.format_usage().removeprefix("usage: ").strip()
    parts = (
        f"## {words}",
        f"{title}.",
        f"```text\n{usage}\n```",
        f"```sh\n{textwrap.dedent(examples)}\n```" if examples else "",
        _flag_table(parser),
        whole_notes(words.rsplit(maxsplit=1)[-1]),
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _flag_table(parser: argparse.ArgumentParser) -> str:
    others = (argparse._HelpAction, argparse._SubParsersAction, HelpAll)  # noqa: SLF001
    actions = [action for action in parser._actions if not isinstance(action, others)]  # noqa: SLF001
    return "\n".join(["| flag | meaning |", "|---|---|", *map(_flag_row, actions)]) if actions else ""


def _flag_row(action: argparse.Action) -> str:
    value = action.metavar if action.nargs != 0 else None
    shown = " ".join(value) if isinstance(value, tuple) else (value or "")
    names = ", ".join(action.option_strings)
    what = f"{names} {shown}".strip() or action.dest
    # One default is the number of this machine's processors; the page must be the same on every machine.
    words = (action.help or "").replace(" (default: %(default)s)", "") % {
        "default": action.default,
        "prog": "",
    }
    choices = f" One of: {', '.join(map(str, action.choices))}." if action.choices else ""
    return f"| `{_cell(what)}` | {_cell(words)}{_cell(choices)} |"


def documents_page() -> str:
    """The files of a run's folder, and all documents that have a schema."""
    names = {model().__name__: name for name, model in SCHEMAS.items()}
    derived = [(file, names[kind.__name__]) for kind, file in layout.DERIVED.items()]
    of_run = [(layout.PLAN, "plan"), (f"{layout.CELLS}/CELL/{layout.RESULT}", "result"), *derived]
    rows = [
        *(f"| `{file}` | {HOLDS[name]} | [{name}]({name}.md) |" for file, name in of_run),
        f"| `{layout.IMAGES}/IMAGE/{layout.BUILD_LOG}` | the log of an image's build, beside its recipe | |",
        f"| `{layout.LOCKS}/DIGEST.txt` | the packages of cells, with hashes, as a requirements file | |",
    ]
    others = [f"| [{name}]({name}.md) | {_file_of(name)} | {HOLDS[name]} |" for name in SCHEMAS]
    return "\n".join(
        [
            "# Documents\n",
            "`crashmatrix schema NAME` prints the JSON schema of a document.\n",
            "## A run's folder\n",
            "| file | what it holds | document |",
            "|---|---|---|",
            *rows,
            "\n## All documents\n",
            "| name | file | what it holds |",
            "|---|---|---|",
            *others,
            "",
        ]
    )


def _file_of(name: str) -> str:
    derived = {kind.__name__: file for kind, file in layout.DERIVED.items()}
    files = {"plan": layout.PLAN, "result": f"{layout.CELLS}/CELL/{layout.RESULT}", **USERS_FILES, **PRINTED}
    file = files.get(name) or derived[SCHEMAS[name]().__name__]
    return file if file.startswith("`") else f"`{file}`"


def document_page(name: str) -> str:
    """One document: its fields, and the types that they have."""
    kind = SCHEMAS[name]()
    schema = kind.model_json_schema()
    types = {kind.__name__: schema, **dict(sorted(schema.get("$defs", {}).items()))}
    sections = [_type_section(title, words) for title, words in types.items()]
    head = f"# {name}\n\nFile: {_file_of(name)}. JSON schema: [{name}.json](../schema/{name}.json).\n"
    return "\n".join([head, *sections])


def _type_section(title: str, schema: Mapping[str, Any]) -> str:
    about = "\n\n".join(" ".join(part.split()) for part in schema.get("description", "").split("\n\n"))
    parts = [f"## {title}", _cell(about).replace("\\|", "|")]
    if "enum" in schema:
        parts.append("One of: " + ", ".join(f"`{value}`" for value in schema["enum"]) + ".")
    properties = schema.get("properties", {})
    if properties:
        words = field_words(title)
        required = schema.get("required", ())
        rows = [
            f"| `{field}` | {_cell(type_words(about_it))} | {_cell(_default(field, about_it, required))} "
            f"| {_cell(words.get(field, ''))} |"
            for field, about_it in properties.items()
        ]
        parts.append("\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *rows]))
    return "\n\n".join(part for part in parts if part) + "\n"


def type_words(schema: Mapping[str, Any]) -> str:
    """A JSON schema's type in few words: `string or null`, `list of Cause`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema or "oneOf" in schema:
        return " or ".join(dict.fromkeys(map(type_words, schema.get("anyOf") or schema["oneOf"])))
    if "const" in schema or "enum" in schema:
        return " or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        items = schema.get("items") or {}
        several = dict.fromkeys(type_words(one) for one in schema.get("prefixItems", ()))
        return f"list of {' and '.join(several) or type_words(items)}"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"object of {type_words(values)}" if isinstance(values, dict) else "object"
    return str(schema.get("type", "any"))


def _default(field: str, schema: Mapping[str, Any], required: Sequence[str]) -> str:
    if field in required:
        return "required"
    return f"`{json.dumps(schema['default'])}`" if "default" in schema else ""


def field_words(title: str) -> Mapping[str, str]:
    """The docstrings below the fields of a type, by field; a field's name in JSON is its alias."""
    kind = _types().get(title)
    if kind is None:
        return {}
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    found: dict[str, str] = {}
    if isinstance(body, ast.ClassDef):
        for statement, below in zip(body.body, body.body[1:], strict=False):
            match statement, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                    info = kind.model_fields.get(name)
                    found[(info.alias if info else None) or name] = " ".join(words.split())
    return found


def _types() -> Mapping[str, type[BaseModel]]:
    """All value types of the program by name."""
    waiting, found = [BaseModel], dict[str, type[BaseModel]]()
    while waiting:
        for kind in waiting.pop().__subclasses__():
            found.setdefault(kind.__name__, kind)
            waiting.append(kind)
    return found


def hazards_page() -> str:
    """The lifecycle battery."""
    rows = [
        f"| `{item.name}` | {_cell(item.title)} | {_cell(item.question)} | <{item.source}> |"
        for item in check.hazards()
    ]
    return "\n".join(
        [
            "# Hazards\n",
            f"The {len(rows)} hazards of the lifecycle battery ([check](../check.md)).\n",
            "| hazard | title | what it tests | source |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _cell(text: str) -> str:
    """Text as a cell of a Markdown table: one line, without a column's end."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def write(folder: Path) -> None:
    """Write all pages, and remove what an earlier version wrote."""
    folder.mkdir(exist_ok=True)
    texts = pages()
    for old in folder.glob("*.md"):
        if old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:  # Sphinx reads again what is newer
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(DOCS / FOLDER)
