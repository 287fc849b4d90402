"""Whether the architectures of a plan run on this host, asked before anything is built for them."""

from collections.abc import Iterable

from orchestrator.errors import HostError
from orchestrator.host import probe
from orchestrator.host.facts import HostPaths
from orchestrator.invocation import command
from orchestrator.model import Arch


def check_arches(wanted: Iterable[Arch], native: Arch, *, paths: HostPaths | None = None) -> None:
    """Raise HostError where programs of a wanted architecture do not run here, native or emulated.

    `native` is the engine's own. Only arm64 is emulated.
    """
    foreign = sorted(set(wanted) - {native})
    if not foreign or (foreign == [Arch.ARM64] and probe.emulation(paths or HostPaths()).works):
        return
    raise HostError(
        f"{', '.join(foreign)} programs do not run on this {native} host",
        hint=f"run `{command('setup')}`, which has arm64 emulated, or choose --arch {native}",
    )
