"""The base of all values that travel between the stations and on to disk."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

SCHEMA: Final = 2
"""Version of a run's documents. A reader refuses any other. plan.json has its own: PLAN_SCHEMA."""


Seconds = Annotated[float, Field(ge=0, le=1e9)]
"""A duration; a document from elsewhere may state any number, and sums of these are printed."""


class Value(BaseModel):
    """A frozen value of finite numbers; an unknown field is refused, so that a misspelt one is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)
