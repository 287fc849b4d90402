"""Outcome, crash and expectation to a verdict, with the sentence that says why."""

from orchestrator.verdict.judge import Seen, is_settled, judge, judge_error, rate

__all__ = ["Seen", "is_settled", "judge", "judge_error", "rate"]
