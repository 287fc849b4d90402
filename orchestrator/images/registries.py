"""The image registries that answer: checked once for each plan, only those that it would pull from."""

import ipaddress
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from orchestrator.adapters import http
from orchestrator.model import Arch, Catalogue, registry_of

PATIENCE: Final = 3
"""Seconds for a registry to answer; planning must stay quick behind a firewall that drops packets."""
DOCKER_HUB: Final = {"docker.io": "registry-1.docker.io"}
"""The one registry whose images have another name than its server."""


def silent_registries(catalogue: Catalogue, environments: Iterable[tuple[str, Arch]]) -> frozenset[str]:
    """The registries that do not answer now, of those that bases of these (glibc, arch) are pulled from."""
    bases = ((catalogue.base_for(glibc, arch), arch) for glibc, arch in frozenset(environments))
    hosts = sorted({registry_of(base.pulled.images[arch]) for base, arch in bases if base and base.pulled})
    if not hosts:
        return frozenset()
    with ThreadPoolExecutor(len(hosts)) as pool:
        answered = pool.map(lambda host: http.answers(api(host), PATIENCE), hosts)
        return frozenset(host for host, answer in zip(hosts, answered, strict=True) if not answer)


def api(host: str) -> str:
    """The address of a registry's API; engines speak plain HTTP to registries of the loopback only."""
    scheme = "http" if _is_loopback(host.partition(":")[0]) else "https"
    return f"{scheme}://{DOCKER_HUB.get(host, host)}/v2/"


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
