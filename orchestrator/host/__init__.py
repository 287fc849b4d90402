"""This host: what it can do (`doctor`), what it lacks (`setup`), and back again (`undo`)."""

from orchestrator.host.doctor import Capability, State, doctor
from orchestrator.host.emulation import check_arches
from orchestrator.host.facts import HostPaths
from orchestrator.host.setup import setup
from orchestrator.host.undo import undo

__all__ = ["Capability", "HostPaths", "State", "check_arches", "doctor", "setup", "undo"]
