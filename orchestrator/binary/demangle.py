"""Demangles the linker names of C++ and Rust functions; the one module that uses the demanglers.

Both are written in Python: names come out of untrusted files, and libstdc++'s demangler has crashed on some.
A name that neither understands stays mangled.
"""

import re
from functools import lru_cache
from typing import Final

import itanium_demangler
import rust_demangler

# Characters of a name, mangled or not; the parsers are recursive.
LONGEST: Final = 1024
# Back references in a name: each may double its length, and the time to parse it.
MOST_REFERENCES: Final = 40
_REFERENCE: Final = re.compile(r"[ST][0-9A-Z]*_|B[0-9a-zA-Z]*_")


@lru_cache(maxsize=4096)
def demangle(name: str) -> str:
    """A function's name without its arguments and without a GNU symbol version (`@@GLIBC_2.34`)."""
    plain = name.partition("@")[0] if name[0:1] != "@" else name
    if not plain.startswith(("_Z", "_R")) or len(plain) > LONGEST:
        return plain
    if len(_REFERENCE.findall(plain)) > MOST_REFERENCES:
        return plain
    # The name that gcc and clang give an anonymous namespace; both demanglers leave it.
    return (_rust(plain) or _cpp(plain) or plain).replace("_GLOBAL__N_1", "(anonymous namespace)")


def _rust(name: str) -> str | None:
    try:
        return str(rust_demangler.demangle(name))
    except Exception:  # noqa: BLE001 - the library raises IndexError and errors of its own
        return None


def _cpp(name: str) -> str | None:
    try:
        tree = itanium_demangler.parse(name)
        if tree is not None and tree.kind == "func":
            tree = tree.name
        if tree is None or _length(tree, {}) > LONGEST:
            return None
        return str(tree)
    except Exception:  # noqa: BLE001 - NotImplementedError, IndexError, RecursionError and more
        return None


def _length(node: object, known: dict[int, int]) -> int:
    """The number of parts of a parsed name when written out, counted once for each distinct part.

    Parts refer back to others, so that a name of 300 letters can stand for one of 2^40.
    """
    if not isinstance(node, tuple):
        return 1
    if id(node) not in known:
        known[id(node)] = 1 + sum(_length(part, known) for part in node)
    return known[id(node)]
