"""The documentation: commands parse, options and files exist, and the generated reference is complete."""

import argparse
import functools
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from docs import generate
from orchestrator import check, errors
from orchestrator.cli import main
from orchestrator.cli.help_text import EXAMPLES
from orchestrator.cli.options import build_parser
from orchestrator.cli.schemas import SCHEMAS
from orchestrator.rundir import layout

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
PARSERS = {words: parser for words, _, parser in generate.commands()}
OPTIONS = {
    option for parser in [build_parser(), *PARSERS.values()] for option in parser._option_string_actions
}
SESSIONS = re.findall(r"^@nox\.session\ndef (\w+)", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
COMMAND_OF_SESSION = {"doctor": "doctor", "matrix": "run", "merge": "merge", "setup": "setup"}
"""Sessions whose arguments are those of a command."""
OPTIONS_OF_OTHERS = {
    *("--allow-shlib-undefined", "--exclude-libs,ALL"),  # ld
    "--disable-gil",  # CPython's configure
    "--hash",  # pip
    *("--daemon", "--preload", "--timeout"),  # gunicorn
    *("--browser", "--short"),  # of sessions
    *("--master", "--skip-atexit", "--use-abort"),  # uWSGI
    "--wrap",  # the supervisor
}


@functools.cache
def reference() -> Mapping[str, str]:
    return generate.pages()


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def typed_lines(page: str) -> Iterator[str]:
    """The lines of a page's code blocks, fenced as sh or indented, that call this program or nox."""
    fenced = False
    for line in text_of(page).splitlines():
        if line.startswith("```"):
            fenced = line == "```sh"
        elif (fenced or line.startswith("    ")) and re.match(r"(crashmatrix|\./nox|nox) ", line.strip()):
            yield line.strip()


def check_typed(line: str) -> None:
    """Parse a line of a shell with the parsers of the programs that it calls."""
    words = [word.strip("[]") for word in shlex.split(line, comments=True)]
    while words:
        end = words.index("&&") if "&&" in words else len(words)
        call, words = words[:end], words[end + 1 :]
        if call[0] == "crashmatrix":
            build_parser().parse_args(call[1:])
        elif call[:2] in (["./nox", "-s"], ["nox", "-s"]):
            check_nox(call[2:])


def check_nox(words: list[str]) -> None:
    """Sessions exist; behind `--` are arguments of a command, where the session is one."""
    dashes = words.index("--") if "--" in words else len(words)
    sessions, arguments = words[:dashes], words[dashes + 1 :]
    assert set(sessions) <= set(SESSIONS), f"{sessions} are not all sessions"
    for session in sessions:
        if session in COMMAND_OF_SESSION:
            build_parser().parse_args([COMMAND_OF_SESSION[session], *arguments])


def code_spans(page: str) -> list[str]:
    prose = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_code_block_parses(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for line in typed_lines(page):
        try:
            check_typed(line)
        except SystemExit:
            pytest.fail(f"{page}: `{line}`: {capsys.readouterr().err.strip().splitlines()[-1]}")


def test_the_pages_have_commands_to_parse() -> None:
    assert sum(len(list(typed_lines(page))) for page in PAGES) > 40


@pytest.mark.parametrize("line", ["crashmatrix run --glib 2.31", "crashmatrix walk", "./nox -s nothing"])
def test_a_wrong_command_would_be_found(line: str) -> None:
    with pytest.raises((SystemExit, AssertionError)):
        check_typed(line)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_a_sentence_exists_with_its_options(page: str) -> None:
    for span in code_spans(page):
        words = span.split()
        if words[0] == "crashmatrix" and len(words) > 1:
            names = words[1].split("|")
            for name in names:
                known = {command.split()[0] for command in PARSERS}
                assert name in known | {"images"}, f"{page}: `{span}`"
            quoted = {word for word in words[2:] if re.fullmatch(r"--[a-z][a-z-]*", word)}
            if words[1] in PARSERS:
                unknown = quoted - PARSERS[words[1]]._option_string_actions.keys()
                assert not unknown, f"{page}: `{span}` has no {unknown}"
        if words[:2] in (["./nox", "-s"], ["nox", "-s"]):
            named = words[2 : words.index("--") if "--" in words else None]
            assert set(named) <= set(SESSIONS), f"{page}: `{span}`"


QUOTE_SERVERS = {"docs/real-cases.md", "docs/servers.md", "docs/matrix.md"}
"""Pages that quote options of uWSGI, gunicorn and instruments."""


@pytest.mark.parametrize("page", sorted(set(PAGES) - QUOTE_SERVERS))
def test_every_quoted_option_exists(page: str) -> None:
    quoted = {
        span.split()[0].partition("=")[0]
        for span in code_spans(page)
        if span.startswith("--") and not re.match(r"--( |$)", span)
    }
    assert quoted - OPTIONS - OPTIONS_OF_OTHERS == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_file_of_this_repository_that_a_page_names_exists(page: str) -> None:
    folders = "orchestrator|tests|docs|images|scenarios|bench|requirements"
    named = [span for span in code_spans(page) if re.fullmatch(rf"({folders})/[a-z0-9_./-]+", span)]
    assert [name for name in named if not (ROOT / name).exists() and name not in MADE_BY_USERS] == []


MADE_BY_USERS = {"tests/", "docs/reference/"}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_to_one(page: str) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text_of(page))
    generated = {f"{generate.FOLDER}/{name}" for name in reference()}
    folder = (ROOT / page).parent
    assert [link for link in links if not (folder / link).exists() and link not in generated] == []


def test_every_page_is_in_the_navigation() -> None:
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```$", text_of("docs/index.md"), re.MULTILINE | re.DOTALL)
    lines = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    listed = {re.sub(r".*<(.*)>", r"\1", line) for line in lines}
    assert listed == {Path(page).stem for page in PAGES if page.startswith("docs/")} - {"index"} | {
        "reference/index"
    }


def actions(parser: argparse.ArgumentParser) -> list[str]:
    return [option for action in parser._actions for option in action.option_strings or [action.dest]]


def test_the_reference_has_every_command_with_every_flag() -> None:
    page = reference()["commands.md"]
    sections = dict(re.findall(r"^## ([a-z ]+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert sections.keys() == PARSERS.keys()
    assert {"run", "images lock"} <= sections.keys()
    for words, parser in PARSERS.items():
        table = set(
            re.findall(r"[\w-]+", " ".join(re.findall(r"^\| `(.*?)` \|", sections[words], re.MULTILINE)))
        )
        wanted = {name for name in actions(parser) if name.startswith("-")} - {"-h", "--help", "--help-all"}
        assert wanted <= table, words
        assert EXAMPLES[words.split()[-1]].split("\n")[0].strip() in sections[words]


def test_the_reference_has_every_document_with_every_field() -> None:
    pages = reference()
    for name, model in SCHEMAS.items():
        schema = model().model_json_schema()
        page = pages[f"{name}.md"]
        for title, words in {model().__name__: schema, **schema.get("$defs", {})}.items():
            section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
            assert section, title
            assert re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE) == list(
                words.get("properties", {})
            )
    assert "| None where there is no earlier run to compare with. |" in pages["causes.md"]


def test_the_reference_has_every_file_exit_code_and_hazard() -> None:
    pages = reference()
    for file in (layout.PLAN, layout.RESULT, layout.BUILD_LOG, *layout.DERIVED.values()):
        assert file in pages["documents.md"]
    assert re.findall(r"^\| `([\w-]+)` \|", pages["hazards.md"], re.MULTILINE) == [
        item.name for item in check.hazards()
    ]
    codes = [value for name, value in vars(errors).items() if name.startswith("EXIT_")]
    assert re.findall(r"^\| (\d) \|", pages["index.md"], re.MULTILINE) == [
        str(code) for code in sorted(codes)
    ]


def test_pages_that_no_type_has_any_more_are_removed(tmp_path: Path) -> None:
    (tmp_path / "old.md").write_text("# Old")
    generate.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == reference().keys()


def test_the_tutorial_quotes_the_run_that_the_sample_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """What it says that a reader will see is what a real run wrote; its list is what the program lists."""
    tutorial = text_of("docs/tutorial.md")
    (summary,) = ROOT.glob("reports/sample/*/summary.md")
    (sentence,) = re.findall(r"^    (tls-atexit crashes .*)$", tutorial, re.MULTILINE)
    assert sentence in summary.read_text("utf-8")
    (cell,) = set(re.findall(r"tls-atexit/\S+-cpp", tutorial))
    page = (summary.parent / "cells" / cell / "result.json").read_text("utf-8")
    for quoted in ("near NULL: 0x0 bytes from a NULL pointer", "mov rdx, qword ptr [rax]", "rax=0x0"):
        assert quoted in page
        assert quoted in tutorial
    for function, file, line in re.findall(r"^ {6,}(\w+) +([\w./]+):(\d+)$", tutorial, re.MULTILINE):
        assert re.search(rf'"function":\s*"{function}"', page), function
        assert re.search(rf'"file":\s*"{re.escape(file)}",\s*"line":\s*{line}\b', page), file
    assert main(["--project", str(ROOT), "run", "--list", "--offline"]) == errors.EXIT_OK
    listed = capsys.readouterr().out
    assert cell in listed
    (count,) = re.findall(r"The list has (\d+) cells", tutorial)
    assert f"{count} cells run" in listed
