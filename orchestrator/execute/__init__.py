"""Images to containers to outcomes: fresh, locked-down containers, a few trials in each."""

from orchestrator.execute.command import TrialCommand, Variant, axis_variables
from orchestrator.execute.leftovers import owner_labels, remove_leftovers, remove_own
from orchestrator.execute.programs import FOLDER as KEPT_FILES
from orchestrator.execute.trial import TrialRequest, new_hostname, run_trials

__all__ = [
    "KEPT_FILES",
    "TrialCommand",
    "TrialRequest",
    "Variant",
    "axis_variables",
    "new_hostname",
    "owner_labels",
    "remove_leftovers",
    "remove_own",
    "run_trials",
]
