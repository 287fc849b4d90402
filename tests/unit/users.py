"""Another user for a moment, where the tests run as root, whom no permission binds."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

NOBODY = 65534


@contextmanager
def plain_user() -> Iterator[None]:
    """As a user whom permissions bind: this one, or in root's place another."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
