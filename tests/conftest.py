"""What integration and browser tests share."""

import pytest

from tests.integration.runs import Run, run


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The main job, once: 12 cells on real images, which later tests find built."""
    return run("--profile", "smoke", reports=tmp_path_factory.mktemp("reports"))
