"""Images to containers to outcomes: fresh, locked-down containers, a few trials in each."""

from orchestrator.execute.command import TrialCommand
from orchestrator.execute.leftovers import owner_labels, remove_leftovers
from orchestrator.execute.trial import TrialRequest, run_trials

__all__ = ["TrialCommand", "TrialRequest", "owner_labels", "remove_leftovers", "run_trials"]
