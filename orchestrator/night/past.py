"""Which earlier night a night begins from."""

from collections.abc import Iterable

from orchestrator.model import Artifact


def newest_complete(
    artifacts: Iterable[Artifact], *, run: int, branch: str, repository: int
) -> Artifact | None:
    """The newest artifact of a complete night before `run`, on the same branch of the same repository.

    A run's own artifact is of an earlier attempt of it: compared with that, a re-run would show no change.
    One of a fork's run is never taken: whoever opens a pull request can give an artifact any name.
    """
    fitting = [
        item
        for item in artifacts
        if not item.expired
        and item.run < run
        and item.branch == branch
        and item.repository == repository == item.head_repository
    ]
    return max(fitting, key=lambda item: (item.run, item.id), default=None)
