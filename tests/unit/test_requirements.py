"""Requirements as pip reads them, and a clear refusal of what is not supported."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from orchestrator.errors import ErrorList, InputError, Location
from orchestrator.matrix.requirements import Requirements, logical_lines, parse_requirement

HERE = Location(file="requirements.txt", line=1)
DIGEST = "ab" * 32


def read(folder: Path, text: str | bytes, name: str = "requirements.txt") -> tuple[list[str], list[str]]:
    """The requirements of a file, and the lines of its mistakes."""
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    errors = ErrorList()
    found: list[str] = []
    with errors.collect():
        found = list(Requirements(project=folder.resolve(), errors=errors).of_file(folder / name, HERE))
    try:
        errors.raise_all()
    except InputError as error:
        return found, str(error).replace(f"{folder}/", "").replace(str(folder), "PROJECT").splitlines()
    return found, []


def test_comments_continuations_markers_extras_and_hashes_are_read(tmp_path: Path) -> None:
    text = f"""\
\ufeff# a comment
flask>=3.0  # another
  Django [argon2] ~= 5.0 ; python_version >= "3.10"

numpy == \\
    2.0.1 \\
    --hash=sha256:{DIGEST} \\
    --hash=sha256:{DIGEST[::-1]}
wheel @ https://example.org/wheel-1.0-py3-none-any.whl#sha256={DIGEST}
pkg#egg
"""
    found, mistakes = read(tmp_path, text)
    assert found == [
        "flask>=3.0",
        'Django[argon2]~=5.0; python_version >= "3.10"',
        f"numpy==2.0.1 --hash=sha256:{DIGEST} --hash=sha256:{DIGEST[::-1]}",
        f"wheel @ https://example.org/wheel-1.0-py3-none-any.whl#sha256={DIGEST}",
    ]
    assert mistakes == [
        "requirements.txt:10:4: 'pkg#egg' is not a requirement: Expected semicolon (after name with no "
        "version specifier) or end; write for example flask>=3.0"
    ]


@pytest.mark.parametrize("include", ["-r more/base.txt", "-rmore/base.txt", "--requirement=more/base.txt"])
def test_a_file_includes_others_relative_to_itself(tmp_path: Path, include: str) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "base.txt").write_text("-r deeper.txt\nattrs\n")
    (tmp_path / "more" / "deeper.txt").write_text("six\n")
    assert read(tmp_path, f"{include}\nflask\n") == (["six", "attrs", "flask"], [])


def test_an_included_file_is_inside_of_the_project_and_does_not_include_itself(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "secret.txt").write_text("hunter2\n")
    (project / "link.txt").symlink_to("../secret.txt")
    (project / "a.txt").write_text("-r requirements.txt\n")
    found, mistakes = read(
        project, "-r ../secret.txt\n-r link.txt\n-r a.txt\n-r /etc/passwd\n-r b.txt\nsix\n"
    )
    assert found == ["six"]
    assert mistakes == [
        "requirements.txt:1:1: '../secret.txt' leads out of the folder; copy what it means into PROJECT",
        "requirements.txt:2:1: 'link.txt' leads out of the folder; copy what it means into PROJECT",
        "requirements.txt:4:1: '/etc/passwd' leads out of the folder; copy what it means into PROJECT",
        "requirements.txt:5:1: 'b.txt' cannot be read: No such file or directory; correct it",
        "a.txt:1:1: 'requirements.txt' includes itself; remove the line",
    ]


INDEX = "configure the index as for uv: UV_INDEX_URL, UV_EXTRA_INDEX_URL or pip.conf"
REFUSED = {
    "-e .": "the option -e is not supported; name the package's folder by `source:`",
    "--editable=./pkg": "the option --editable is not supported; name the package's folder by `source:`",
    "-c constraints.txt": "the option -c is not supported; write the constraint at the requirement itself",
    "--index-url https://user:word@example.org": f"the option --index-url is not supported; {INDEX}",
    "-f wheels/": f"the option -f is not supported; {INDEX}",
    "--pre": "the option --pre is not supported; remove it; "
    "what is read is NAME, a version, a marker, --hash and -r",
    "./pkg": "'./pkg' is a path, not a requirement; name a package's folder by `source:`",
    "/abs/x.whl": "'/abs/x.whl' leads out of the folder; copy what it means into PROJECT",
    "x-1.0.tar.gz": "'x-1.0.tar.gz' is a path, not a requirement; name a package's folder by `source:`",
    "https://u:word@example.org/x.zip": "'https://example.org/x.zip' is an address without a name; "
    "write NAME @ https://...",
    "https://u:word@example.org/x": "'https://example.org/x' is an address without a name; write NAME @ https://...",
    "x @ https://u:word@example.org/x.whl": "the address of x has a user or a password in it; "
    "put them into ~/.netrc",
    "x @ git+https://example.org/x": "x is to be had by git+https; "
    "name an https address, or a folder by `source:`",
    "x @ file:///tmp/x.whl": "x is to be had by file; name an https address, or a folder by `source:`",
    "x @ https://[x": "the address of x is not valid; write https://HOST/PATH",
    "x @ https:///x.whl": "x is to be had by https; name an https address, or a folder by `source:`",
    "x @ ./x": "x is to be had by a path; name an https address, or a folder by `source:`",
    "x==${VERSION}": f"'x==${{VERSION}}': variables are not expanded; write the value; {INDEX}",
    "x==1 --hash=md5:00": "'--hash=md5:00' is not supported behind a requirement; only --hash=sha256:... is",
    "x==1 --config-settings a=b": "'--config-settings a=b' is not supported behind a requirement; "
    "only --hash=sha256:... is",
    "-r https://example.org/x.txt": "a requirements file is not fetched; download it into the project",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_not_supported_is_refused_with_what_to_write(tmp_path: Path, line: str) -> None:
    found, mistakes = read(tmp_path, f"six\n{line}\n")
    assert (found, mistakes) == (["six"], [f"requirements.txt:2:1: {REFUSED[line]}"])
    assert ":word" not in " ".join(mistakes), "a password in a message"


def test_a_file_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    assert read(tmp_path, b"six\n\xff\n") == (
        [],
        ["requirements.txt:2: the file is not UTF-8 text; save it as UTF-8"],
    )
    assert "larger than" in read(tmp_path, "#" * (1 << 20) + "\n")[1][0]


LINES = st.lists(st.text("ab#\\ \t-=.[]", max_size=8), max_size=6)


@given(LINES)
def test_lines_are_joined_and_cut_as_pip_does(lines: list[str]) -> None:
    """pip's own reader (26.x) is the reference: its two steps, on the same text."""
    req_file = pytest.importorskip("pip._internal.req.req_file")
    numbered = req_file.ignore_comments(req_file.join_lines(enumerate(lines, 1)))
    assert [text for _, text in logical_lines("\n".join(lines))] == [text.strip() for _, text in numbered]


@given(st.text(max_size=60) | st.text("abc-_.[]<>=!~;@:/ '\"()0123456789", max_size=40))
def test_a_line_is_a_requirement_or_an_error_of_the_users(text: str) -> None:
    line = " ".join(text.split())
    try:
        found = parse_requirement(line, HERE)
    except InputError:
        return
    plain = found.split(" --hash")[0]
    assert str(Requirement(plain)) == plain
