"""What all tests share: an environment that is the same on every machine, and a run of the smoke profile."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.integration.runs import Run, run

# A busy machine is no wrong answer; where time is the question, a test asks for it by itself.
settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-machine")

UNIT, BROWSER = (Path(__file__).with_name(name) for name in ("unit", "browser"))
SETTINGS = ("CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR")
"""What a person sets for the output of programs; rich and argparse follow it."""
SERVICES = ("GITHUB_", "PYTHON")
"""Prefixes of what a CI service says to programs, and of what changes how every Python starts."""

# Tests that are about one of these set it. The caches stay as the user wants them.
for name in tuple(os.environ):
    if name in SETTINGS or (name.startswith(SERVICES) and name != "PYTHONDONTWRITEBYTECODE"):
        del os.environ[name]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say which tests stay in one process, one after the other, where tests are distributed over several.

    Those of the engine, since they share one, whose containers and images some of them count, and the
    images of one smoke run. And those of the browser, which share a Chromium. Unit tests share nothing.
    """
    if not config.pluginmanager.has_plugin("xdist"):
        return
    for item in items:
        if isinstance(item, pytest.Function) and UNIT not in item.path.parents:
            apart = BROWSER in item.path.parents and "smoke_run" not in item.fixturenames
            item.add_marker(pytest.mark.xdist_group("browser" if apart else "engine"))


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The main job, once: 12 cells on real images, which later tests find built."""
    return run("--profile", "smoke", reports=tmp_path_factory.mktemp("reports"))
