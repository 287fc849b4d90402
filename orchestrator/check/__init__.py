"""What a package does in the situations that servers and interpreters bring about: the lifecycle battery."""

__lazy_modules__ = (
    "orchestrator.check.coverage",
    "orchestrator.check.findings",
    "orchestrator.check.hazard",
    "orchestrator.check.project",
    "orchestrator.check.subjects",
)

from orchestrator.check.coverage import Environment, covering
from orchestrator.check.findings import (
    UNIMPORTED,
    Checked,
    CheckedCell,
    CheckedPackage,
    Seen,
    checked,
    imports,
)
from orchestrator.check.hazard import HAZARD, Hazard, hazards
from orchestrator.check.project import GATE, write_project
from orchestrator.check.subjects import Subject, subjects_of

__all__ = [
    "GATE",
    "HAZARD",
    "UNIMPORTED",
    "Checked",
    "CheckedCell",
    "CheckedPackage",
    "Environment",
    "Hazard",
    "Seen",
    "Subject",
    "checked",
    "covering",
    "hazards",
    "imports",
    "subjects_of",
    "write_project",
]
