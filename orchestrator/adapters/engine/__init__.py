"""The one place that talks to the container engine, through the Docker SDK.

Docker and Podman serve the same API; which one answered is in `EngineInfo.name`. Calls that only
prepare or read are retried with tenacity when the engine stumbles (a lost connection, an HTTP 5xx).
A call that would run a process a second time is never retried.
"""

from orchestrator.adapters.engine.connection import SOCKETS, EngineInfo, endpoints
from orchestrator.adapters.engine.containers import Containers, ContainerSpec, Ended
from orchestrator.adapters.engine.images import Images
from orchestrator.adapters.engine.interactive import Interactive

__all__ = ["SOCKETS", "ContainerSpec", "Ended", "Engine", "EngineInfo", "endpoints"]


class Engine(Images, Containers, Interactive):
    """The engine: its images and its containers over one connection."""
