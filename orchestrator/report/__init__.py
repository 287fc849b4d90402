"""A run's data to junit.xml, HTML, summary.md and a terminal's table."""

from typing import Final

from orchestrator.adapters.files import write_atomically
from orchestrator.report.annotations import annotations
from orchestrator.report.html import INDEX, write_html
from orchestrator.report.junit import junit_xml
from orchestrator.report.remedies import Remedy, remedies
from orchestrator.report.signatures import group_signatures
from orchestrator.report.summary import summary_markdown
from orchestrator.report.table import Row, table_rows
from orchestrator.report.words import change as change_words
from orchestrator.report.words import differences, headline
from orchestrator.report.words import not_comparable as incomparable_words
from orchestrator.rundir import RunData

JUNIT: Final = "junit.xml"
SUMMARY: Final = "summary.md"

__all__ = [
    "INDEX",
    "JUNIT",
    "SUMMARY",
    "Remedy",
    "Row",
    "annotations",
    "change_words",
    "differences",
    "headline",
    "incomparable_words",
    "remedies",
    "table_rows",
    "write",
]


def write(data: RunData) -> None:
    """Render all reports of a run into its folder."""
    signatures = group_signatures(data)
    write_atomically(data.folder / JUNIT, junit_xml(data))
    write_atomically(data.folder / SUMMARY, summary_markdown(data, signatures))
    write_html(data, signatures)
