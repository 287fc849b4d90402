"""The base of all values that stations exchange and write to disk."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

SCHEMA: Final = 2
"""Version of a run's documents. A reader refuses any other. A document that changed since has its own."""


Seconds = Annotated[float, Field(ge=0, le=1e9)]
"""A duration; a document from elsewhere may state any number, and sums of these are printed."""
Moment = Annotated[float, Field(ge=0, le=1e11)]
"""Seconds since the epoch."""
LARGEST: Final = 1 << 64
"""The largest number of a document that states no smaller bound."""
Integer = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
"""A whole number; a document from elsewhere may state one of 4,000 digits, which no float can hold."""
Position = Annotated[int, Field(ge=0, le=LARGEST)]
"""A place in a list, from 0 on; a negative one would be counted from the end."""
LONGEST_TEXT: Final = 1 << 20
"""Characters of a string in a document."""

Line = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Text without line ends and other control characters."""


class Value(BaseModel):
    """A frozen value of finite numbers; an unknown field is refused, so that a misspelt one is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True,
        str_max_length=LONGEST_TEXT,
    )  # fmt: skip
