"""What all tests share: an environment that is the same on every machine, and a run of the smoke profile."""

import fcntl
import os

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from tests.distribution import ByEngine
from tests.integration.runs import Run, run

# A slow machine is no failure: no example has a deadline.
settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# A mutant that survives by chance tells nothing: tests.mutants draws the same examples for each.
settings.register_profile(
    "mutants", settings.get_profile("shared-machine"), derandomize=True, max_examples=25
)
settings.load_profile("shared-machine")

SETTINGS = ("CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR")
"""What a person sets for the output of programs; rich and argparse follow it."""
SERVICES = ("GITHUB_", "PYTHON")
"""Prefixes of what a CI service says to programs, and of what changes how every Python starts."""

# Tests that are about one of these set it. The caches stay as the user wants them.
for name in tuple(os.environ):
    if name in SETTINGS or (name.startswith(SERVICES) and name != "PYTHONDONTWRITEBYTECODE"):
        del os.environ[name]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByEngine | None:
    """Say which tests stay in one process, where tests are distributed over several."""
    return ByEngine(config, log)


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The main job, once in each process: 12 cells on real images, which later tests find built.

    One process at a time: of two on a machine without images each would build them all.
    """
    with (tmp_path_factory.getbasetemp().parent / "smoke.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        return run("--profile", "smoke", reports=tmp_path_factory.mktemp("reports"))
