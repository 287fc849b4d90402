"""The base of all values that travel between the stations and on to disk."""

from typing import Final

from pydantic import BaseModel, ConfigDict

SCHEMA: Final = 2
"""Version of a run's documents. A reader refuses any other. plan.json has its own: PLAN_SCHEMA."""


class Value(BaseModel):
    """A frozen value; unknown fields are refused, so a misspelt one is never silent."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
