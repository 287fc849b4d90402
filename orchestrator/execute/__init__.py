"""Images to containers to outcomes: one fresh, locked-down container for each trial."""

from orchestrator.execute.leftovers import owner_labels, remove_leftovers
from orchestrator.execute.trial import TrialRequest, by_hand, run_trial

__all__ = ["TrialRequest", "by_hand", "owner_labels", "remove_leftovers", "run_trial"]
