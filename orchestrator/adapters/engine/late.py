"""An engine for a command that may need no more of it than an image's id."""

from typing import Self

from orchestrator.adapters.engine import Engine, direct


class LateEngine:
    """An engine that is connected to once something needs the SDK; closed at the end of the block."""

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._engine:
            self._engine.close()

    def connected(self) -> Engine:
        """The engine; raises EngineUnreachableError where none answers."""
        if self._engine is None:
            self._engine = Engine.connect()
        return self._engine

    def image_id(self, name: str) -> str:
        """The id of an image that a person named; raises as the engine's does."""
        return direct.image_id(name) or self.connected().image_id(name)
