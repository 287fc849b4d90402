"""The lifecycle battery: how a package behaves in situations that servers and interpreters cause."""

__lazy_modules__ = (
    "orchestrator.check.tables",
    "orchestrator.check.bugreport",
    "orchestrator.check.reduce",
    "orchestrator.check.coverage",
    "orchestrator.check.findings",
    "orchestrator.check.hazard",
    "orchestrator.check.project",
    "orchestrator.check.subjects",
)

from orchestrator.check.bugreport import Hit, bug_report
from orchestrator.check.coverage import Environment, covering
from orchestrator.check.findings import (
    UNIMPORTED,
    Checked,
    CheckedCell,
    CheckedPackage,
    HazardResult,
    checked,
    imports,
    observed,
)
from orchestrator.check.hazard import HAZARD, Hazard, hazards
from orchestrator.check.project import ASK, GATE, SCRIPT, TEXT, write_project
from orchestrator.check.reduce import made, naming, reduced, statements, tracing
from orchestrator.check.subjects import Subject, subjects_of
from orchestrator.check.tables import markdown_table, worst

__all__ = [
    "ASK",
    "GATE",
    "HAZARD",
    "SCRIPT",
    "TEXT",
    "UNIMPORTED",
    "Checked",
    "CheckedCell",
    "CheckedPackage",
    "Environment",
    "Hazard",
    "HazardResult",
    "Hit",
    "Subject",
    "bug_report",
    "checked",
    "covering",
    "hazards",
    "imports",
    "made",
    "markdown_table",
    "naming",
    "observed",
    "reduced",
    "statements",
    "subjects_of",
    "tracing",
    "worst",
    "write_project",
]
