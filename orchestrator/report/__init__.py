"""A run's data to junit.xml, HTML and summary.md, and to the lines on the terminal."""

__lazy_modules__ = (
    "orchestrator.report.formats", "orchestrator.report.html", "orchestrator.report.registry",
    "orchestrator.report.tracked", "orchestrator.report.words",
)  # fmt: skip

from orchestrator.report.annotations import annotations
from orchestrator.report.formats import Format
from orchestrator.report.html import INDEX, write_overview
from orchestrator.report.registry import FORMATS, write
from orchestrator.report.remedies import Remedy, remedies
from orchestrator.report.tracked import again_text, gone_text, issue_text, issue_title
from orchestrator.report.words import change as change_words
from orchestrator.report.words import differences, headline
from orchestrator.report.words import missing as missing_words
from orchestrator.report.words import not_comparable as incomparable_words

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
    "write_overview",
]
