"""Images between machines: what a registry has by key is pulled, and what was built here is pushed.

A key is made of everything that determines an image, so an image of the same key can stand for the one that
would be built. That it is so is the word of whoever may push there: whoever may decides what runs here.
"""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from orchestrator.adapters import http
from orchestrator.adapters.engine import Engine
from orchestrator.errors import EngineError, HostError
from orchestrator.images.registries import PATIENCE, api
from orchestrator.model import ImageSpec, registry_of


@dataclass(kw_only=True)
class Exchange:
    """A repository of a registry, HOST/REPO, whose tags are keys; the engine brings its own credentials.

    Whatever goes wrong with it is said once, and nothing is asked of it any more in that direction: an
    image is then built here, as without a registry. Its methods are called from several threads.
    """

    engine: Engine
    place: str
    say: Callable[[str], None]
    counts: Counter[str] = field(default_factory=Counter)
    _refused: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answers(self) -> bool:
        """Whether the registry is there; where it is not, this says so, and takes seconds."""
        host = registry_of(self.place)
        if not http.answers(api(host), PATIENCE):
            for direction in (PULLED, PUSHED):
                self._refuse(direction, f"{host} does not answer")
        return not self._refused

    def take(self, spec: ImageSpec) -> str | None:
        """The id of an image, pulled if the registry has it; None where it has not."""
        if PULLED in self._refused:
            return None
        try:
            image = self.engine.take(self.place, spec.tag, spec.key)
        except EngineError:
            raise
        except HostError as error:
            self._refuse(PULLED, error.what)
            return None
        self.counts[PULLED] += image is not None
        return image

    def give(self, spec: ImageSpec) -> None:
        """Push an image that was built here."""
        if PUSHED in self._refused:
            return
        try:
            self.engine.give(self.place, spec.tag, spec.key)
        except EngineError:
            raise
        except HostError as error:
            self._refuse(PUSHED, error.what)
            return
        self.counts[PUSHED] += 1

    def tell(self) -> None:
        """Say how many images went which way."""
        if self.counts:
            self.say(f"{self.place}: {self.counts[PULLED]} images pulled, {self.counts[PUSHED]} pushed.")

    def _refuse(self, direction: str, why: str) -> None:
        with self._lock:
            is_new = why not in self._refused.values()
            self._refused.setdefault(direction, why)
        if is_new:
            self.say(f"No image is {direction} by {self.place} any more: {why}.")


PULLED: Final = "pulled"
PUSHED: Final = "pushed"
