"""This host: `doctor` says what it can do, `setup` adds what is missing, `undo` reverts that."""

from orchestrator.host.capability import Capability, State
from orchestrator.host.doctor import doctor
from orchestrator.host.emulation import check_arches
from orchestrator.host.facts import HostPaths
from orchestrator.host.setup import setup
from orchestrator.host.undo import undo

__all__ = ["Capability", "HostPaths", "State", "check_arches", "doctor", "setup", "undo"]
