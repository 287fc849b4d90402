"""An ordered axis and the outcomes of some of its values: which value to test next, and the conclusion."""

from orchestrator.bisect.conclude import Question, conclude
from orchestrator.bisect.state import Ask, State
from orchestrator.bisect.trials import FEWEST

__all__ = ["FEWEST", "Ask", "Question", "State", "conclude"]
