"""A run's data to junit.xml, HTML and summary.md, and to the lines on the terminal.

`FORMATS` lists the reports that a run's folder has; a new format is a module and an entry there.
"""

from dataclasses import replace
from typing import Final

from orchestrator.report.annotations import annotations
from orchestrator.report.formats import Format
from orchestrator.report.html import INDEX, write_html
from orchestrator.report.junit import junit_xml, located_junit_xml
from orchestrator.report.remedies import Remedy, remedies
from orchestrator.report.summary import summary_markdown
from orchestrator.report.tracked import again_text, gone_text, issue_text, issue_title
from orchestrator.report.words import change as change_words
from orchestrator.report.words import differences, headline
from orchestrator.report.words import missing as missing_words
from orchestrator.report.words import not_comparable as incomparable_words
from orchestrator.rundir import RunData

JUNIT: Final = Format(name="JUnit", file="junit.xml", text=junit_xml)
LOCATED_JUNIT: Final = replace(JUNIT, text=located_junit_xml)
FORMATS: Final = [
    Format(name="report", file=INDEX, write=write_html),
    JUNIT,
    Format(name="summary", file="summary.md", text=summary_markdown),
]
"""In the order in which a terminal lists them."""

__all__ = [
    "FORMATS",
    "INDEX",
    "Format",
    "Remedy",
    "again_text",
    "annotations",
    "change_words",
    "differences",
    "gone_text",
    "headline",
    "incomparable_words",
    "issue_text",
    "issue_title",
    "missing_words",
    "remedies",
    "write",
]


def write(data: RunData, *, junit_files: bool = False) -> None:
    """Write the reports of all formats into the run's folder.

    With `junit_files`, the cases of junit.xml have the attributes `file` and `line`.
    """
    for item in FORMATS:
        (LOCATED_JUNIT if junit_files and item is JUNIT else item).into(data)
