"""Outcome, crash and expectation to a verdict, with the sentence that says why."""

from orchestrator.verdict.judge import Seen, judge_error
from orchestrator.verdict.tally import Tally

__all__ = ["Seen", "Tally", "judge_error"]
