"""Linker names of C++ and Rust functions as people write them; the one module that knows the demanglers.

Both are in Python: names come out of untrusted files, and libstdc++'s own demangler has crashed on such.
What they do not understand stays as it is, which is still the function's name.
"""

from functools import lru_cache
from typing import Final

import itanium_demangler
import rust_demangler

LONGEST: Final = 1024
"""Characters of a name that is demangled; the parsers are recursive."""


@lru_cache(maxsize=4096)
def demangle(name: str) -> str:
    """A function's name without its arguments and without what GNU's versions add (`@@GLIBC_2.34`)."""
    plain = name.partition("@")[0] if name[0:1] != "@" else name
    if not plain.startswith(("_Z", "_R")) or len(plain) > LONGEST:
        return plain
    return _rust(plain) or _cpp(plain) or plain


def _rust(name: str) -> str | None:
    try:
        return str(rust_demangler.demangle(name))
    except Exception:  # noqa: BLE001 - the library lets IndexError and its own kinds out
        return None


def _cpp(name: str) -> str | None:
    try:
        tree = itanium_demangler.parse(name)
        if tree is not None and tree.kind == "func":
            tree = tree.name
        return str(tree) if tree is not None else None
    except Exception:  # noqa: BLE001 - NotImplementedError, IndexError, RecursionError and more
        return None
