"""Outcome, crash and expectation to a verdict, with the sentence that says why."""

from orchestrator.verdict.judge import Observation, judge_error
from orchestrator.verdict.tally import Tally

__all__ = ["Observation", "Tally", "judge_error"]
