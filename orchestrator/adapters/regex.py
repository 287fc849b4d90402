"""The regular expressions that users write: RE2, whose time is linear in the text whatever the pattern.

A project may come from others, and Python's own engine takes exponential time for patterns like `^(a+)+$`,
and handles no signal meanwhile. RE2 has no backreferences and no lookaround, and its classes are ASCII's.
"""

import re
from functools import lru_cache
from typing import Any, Final

import re2

LONGEST: Final = 4096
"""Characters of a pattern."""
MOST_TIMES: Final = 1000
"""RE2's limit of a count. RE2 reads a count of very many digits as literal text, which never matches."""
_LARGE_COUNT: Final = re.compile(r"(?<!\\)\{(?:\d{5,}(?:,\d*)?|\d*,\d{5,})\}")


def check_pattern(pattern: str) -> str:
    """The pattern; raises ValueError with the reason where RE2 cannot take it."""
    if len(pattern) > LONGEST:
        raise ValueError(f"a regular expression of more than {LONGEST:,} characters")
    if _LARGE_COUNT.search(pattern):
        raise ValueError(f"not a regular expression of RE2: a count of more than {MOST_TIMES:,}")
    try:
        _compiled(pattern)
    except UnicodeEncodeError as error:
        raise ValueError("not a regular expression: it is no Unicode text") from error
    except re2.error as error:
        said = error.args[0]
        said = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise ValueError(
            f"not a regular expression of RE2 (no lookaround, no backreferences): {said[:200]}"
        ) from error
    return pattern


def is_in(pattern: str, text: str) -> bool:
    """Whether a pattern matches somewhere in a text; ^ and $ are the ends of lines."""
    return _compiled(pattern).search(text.encode(errors="replace")) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:  # noqa: ANN401 - re2 has no annotations
    options = re2.Options()
    options.log_errors = False
    return re2.compile(f"(?m){pattern}".encode(), options)
