"""Images that a machine or an engine begins with instead of building them: copied from this host's engine."""

from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import docker

from orchestrator.matrix import Request
from orchestrator.pipeline.planning import make_plan
from orchestrator.pipeline.projects import Project

ROOT: Final = Path(__file__).resolve().parents[2]
SLOW: Final = ("base-", "builder", "probe-", "uwsgi-")
"""Roles that take long to make; images of cells are built where they are used."""
TIMEOUT: Final = 600


def tags_of(request: Request, *, roles: tuple[str, ...] = SLOW, project: Path = ROOT) -> list[str]:
    """The tags of the images that a request's cells need, of those roles."""
    plan = make_plan(Project.load(project), request)
    return [spec.tag for spec in plan.specs if spec.role.startswith(roles)]


def save(tags: Sequence[str], folder: Path) -> list[str]:
    """Write an archive of each image that this host's engine has; returns the tags of those."""
    folder.mkdir(parents=True)
    saved = []
    with closing(docker.from_env(timeout=TIMEOUT)) as client:
        for number, tag in enumerate(tags):
            with suppress(docker.errors.ImageNotFound):
                client.images.get(tag)
                with (folder / f"{number}.tar").open("wb") as file:
                    file.writelines(client.api.get_image(tag))
                saved.append(tag)
    return saved
