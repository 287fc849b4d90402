"""Host to a trial's core, and core to the sysroot that it takes to read it."""

from orchestrator.cores.collection import collect
from orchestrator.cores.sysroot import make_sysroot

__all__ = ["collect", "make_sysroot"]
