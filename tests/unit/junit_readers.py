"""What each common reader shows of junit.xml, as rules that were read from the readers' code in 2026.

They are written anew from what the code does, for the parts that decide what a person sees. Jenkins' xunit
plugin checks the document against its schema as well (tests/data/junit.xsd).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from junitparser import JUnitXml, Skipped
from lxml import etree


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a person sees of a failed or skipped case. `line` is 0 where the reader found none."""

    title: str
    """What tells cases apart in the reader's list."""
    first: str
    """What stands under the title before anything is opened."""
    text: str
    """What an opened case shows."""
    file: str = ""
    line: int = 0


def gitlab(path: Path) -> list[Shown]:
    """GitLab: lib/gitlab/ci/parsers/test/junit.rb; the merge request's widget lists `name` alone."""
    found = []
    for case in _cases(path):
        result = _result(case)
        if result is not None:
            text = result.text or ""
            found.append(Shown(title=case.get("name", ""), first="", text=text, file=case.get("file", "")))
    return found


def dorny(path: Path) -> list[Shown]:
    """dorny/test-reporter, java-junit: xml2js has attributes under `$`, so `failure.message` is undefined.

    A file and line come from a line of the text that looks like a frame of Java.
    """
    found = []
    for case in _cases(path):
        result = _result(case, "failure", "error")
        if result is None:
            continue
        suite = _parent(case).get("name", "").strip()
        group = case.get("classname", "")
        name = case.get("name", "").strip()
        text = result.text or ""
        first = next((line.strip() for line in text.split("\n") if line.strip()), "")
        frame = next(
            filter(None, (re.match(r"^at (.*)\((.*):(\d+)\)$", line) for line in text.split("\n"))), None
        )
        found.append(
            Shown(
                title=" ► ".join(part for part in (suite, "" if group == suite else group, name) if part),
                first=first,
                text=text,
                file=f"{frame[1].replace('.', '/')}/{frame[2]}" if frame else "",
                line=int(frame[3]) if frame else 0,
            )
        )
    return found


def mikepenz(path: Path) -> list[Shown]:
    """mikepenz/action-junit-report: src/testParser.ts."""
    found = []
    for case in _cases(path):
        result = _result(case, "failure", "error")
        if result is None:
            continue
        suite, text = _parent(case), (result.text or "").strip()
        given = case.get("file") or suite.get("file")
        file = given or case.get("classname", "").rpartition(".")[2]
        line = int(case.get("line") or suite.get("line") or 0)
        if not line:
            places = re.findall(rf" [^ \n]*{re.escape(file)}.*?:(\d+)", text)
            line = int(places[-1]) if places else 1
        name = case.get("name", "")
        message = result.get("message") or "\n".join(text.split("\n")[:2]) or name
        title = name if file == name else f"{file}.{name}"
        found.append(Shown(title=title, first=message, text=text, file=file, line=line))
    return found


def publish_unit_test_result(path: Path) -> list[Shown]:
    """EnricoMi/publish-unit-test-result-action: python/publish/junit.py, which reads by junitparser."""
    found = []
    for suite in JUnitXml.fromfile(str(path)):
        for case in suite:
            results = [item for item in case.result if not isinstance(item, Skipped)]
            if results:
                text = "\n".join(str(item.text) for item in results if item.text)
                file = case._elem.get("file") or case.classname or "/"
                line = int(case._elem.get("line") or 0)
                title = f"{case.name} ({case.classname})" if case.classname else str(case.name)
                found.append(Shown(title=title, first="", text=text, file=str(file), line=line))
    return found


def jenkins(path: Path) -> list[Shown]:
    """Jenkins' junit plugin: CaseResult.java; a page for each package, class and test."""
    found = []
    for case in _cases(path):
        result = _result(case)
        if result is not None:
            package, _, class_name = case.get("classname", "").rpartition(".")
            title = " » ".join((package or "(root)", class_name, case.get("name", "")))
            found.append(Shown(title=title, first=result.get("message", ""), text=result.text or ""))
    return found


Reader = Callable[[Path], list[Shown]]
READERS: Final[tuple[Reader, ...]] = (gitlab, dorny, mikepenz, publish_unit_test_result, jenkins)


def _cases(path: Path) -> Iterator[etree._Element]:
    return etree.parse(path).getroot().iter("testcase")


def _parent(case: etree._Element) -> etree._Element:
    suite = case.getparent()
    assert suite is not None
    return suite


def _result(case: etree._Element, *tags: str) -> etree._Element | None:
    """The element that says how a case ended; None where it passed."""
    wanted = tags or ("failure", "error", "skipped")
    return next((child for child in case if child.tag in wanted), None)
