"""What integration and browser tests share."""

import pytest
from hypothesis import settings

from tests.integration.runs import Run, run

# A busy machine is no wrong answer; where time is the question, a test asks for it by itself.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The main job, once: 12 cells on real images, which later tests find built."""
    return run("--profile", "smoke", reports=tmp_path_factory.mktemp("reports"))
