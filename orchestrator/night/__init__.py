"""Nights: jobs of a CI system that run the matrix again and again, and what each takes from those before."""

__lazy_modules__ = ("orchestrator.night.past", "orchestrator.night.tracker")

from orchestrator.night.past import newest_complete
from orchestrator.night.tracker import Step, StepKind, steps

__all__ = ["Step", "StepKind", "newest_complete", "steps"]
