"""Demangles the linker names of C++ and Rust functions; the one module that uses the demangler.

It is written in Python and has bounds: names come out of untrusted files, and libstdc++'s demangler
has crashed on some. A name that it cannot read stays mangled.
"""

from __future__ import annotations

__lazy_modules__ = ("demangle",)

from functools import cache, lru_cache
from typing import Final

import demangle as demangler

from orchestrator.binary.cpp_names import without_arguments, without_result

# Characters of a mangled name.
LONGEST: Final = 1024
# Prefixes of names of data, such as "typeinfo for T", and of thunks.
_SPECIAL: Final = ("_ZT", "_ZG")


@lru_cache(maxsize=4096)
def demangle(name: str) -> str:
    """A function's name without its arguments, result and GNU symbol version (`@@GLIBC_2.34`).

    The suffix of a clone of a C++ function is written as binutils do: `f [clone .constprop.0]`.
    """
    plain = name.partition("@")[0] if name[0:1] != "@" else name
    linked, _, suffix = plain.partition(".")
    if not linked.startswith(("_Z", "_R")) or len(plain) > LONGEST:
        return plain
    # Rust's legacy scheme looks like C++'s, and may have dots within a name.
    rust = demangler.demangle(plain, language="rust", limits=_limits())
    if rust != plain:
        return rust
    cpp = demangler.demangle(linked, language="itanium", style="gnu", limits=_limits())
    if cpp == linked:
        return plain
    bare = without_arguments(cpp)
    bare = bare if linked.startswith(_SPECIAL) else without_result(bare)
    return f"{bare} [clone .{suffix}]" if suffix else bare


@cache
def _limits() -> demangler.Limits:
    return demangler.Limits(max_input=LONGEST, max_output=16 * LONGEST)
