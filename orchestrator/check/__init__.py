"""The lifecycle battery: how a package behaves in situations that servers and interpreters cause."""

__lazy_modules__ = (
    "orchestrator.check.tables",
    "orchestrator.check.bugreport",
    "orchestrator.check.reduce",
    "orchestrator.check.coverage",
    "orchestrator.check.findings",
    "orchestrator.check.freethreading",
    "orchestrator.check.hazard",
    "orchestrator.check.project",
    "orchestrator.check.requested",
    "orchestrator.check.suite",
)

from orchestrator.check.bugreport import Hit, bug_report
from orchestrator.check.coverage import Environment, covering
from orchestrator.check.findings import (
    UNIMPORTED,
    checked,
    imports,
    observed,
)
from orchestrator.check.freethreading import FreeThreaded, ThreadClass, free_threaded
from orchestrator.check.hazard import HAZARD, Group, Hazard, hazards, rows
from orchestrator.check.project import ASK, GATE, SCRIPT, TEXT, Extras, base_name, write_project
from orchestrator.check.reduce import made, naming, reduced, statements, tracing
from orchestrator.check.requested import RequestedPackage, requested_packages
from orchestrator.check.suite import Suite, suite_of
from orchestrator.check.tables import markdown_table, worst

__all__ = [
    "ASK",
    "GATE",
    "HAZARD",
    "SCRIPT",
    "TEXT",
    "UNIMPORTED",
    "Environment",
    "Extras",
    "FreeThreaded",
    "Group",
    "Hazard",
    "Hit",
    "RequestedPackage",
    "Suite",
    "ThreadClass",
    "base_name",
    "bug_report",
    "checked",
    "covering",
    "free_threaded",
    "hazards",
    "imports",
    "made",
    "markdown_table",
    "naming",
    "observed",
    "reduced",
    "requested_packages",
    "rows",
    "statements",
    "suite_of",
    "tracing",
    "worst",
    "write_project",
]
