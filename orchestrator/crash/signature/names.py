"""Function names as they are in every build and by every backend.

A name reaches this module as a symbol table, debug information, gdb, or a demangler writes it. Each
adds something of its own: clone suffixes, symbol versions, hashes, arguments, template arguments. A library
that has a variant of a function for each set of instructions names it by these; the processor decides
which one runs.
"""

import re
from functools import lru_cache
from typing import Final

from orchestrator.binary.demangle import demangle
from orchestrator.binary.name_paths import path_of
from orchestrator.crash.signature.cython import cython_path
from orchestrator.crash.signature.functions import JOIN

_CLONE: Final = re.compile(
    r"(\.(isra|constprop|part|cold|lto_priv|llvm)(\.\d+)?|\.\d+|\[cold\]| ?\[clone [^]]*\])+$"
)
# `.0` is the suffix of a function within a function, `[cold]` how gdb writes `.cold`.
_VERSION: Final = re.compile(r"(?<=\w)@@?\w[\w.]*$")
"""A GNU symbol version, as in `pthread_create@@GLIBC_2.34`."""
_RUST_HASH: Final = re.compile(r"::h[0-9a-f]{16}$")
_INSTRUCTIONS: Final = re.compile(
    r"(?<=\w)(?:[._]+(?:sse\d*|ssse3|sse4[._]?[12]|popcnt|f16c|fma[34]?|avx2?|avx512(?:[._]?[a-z]+)*|avx10(?:[._]?\d)*"
    r"|neon(?:[._]fp16|[._]vfpv4)?|asimd(?:hp|dp|fhm)?|sve2?"
    r"|(?:arch[._])?(?:x86[._-]64[._-]v[1-4]|haswell|skylakex?|sandybridge|nehalem|zen|cooperlake|sapphirerapids)))+$",
    re.IGNORECASE,
)
"""The instructions that a variant needs: numpy (`DOUBLE_add_FMA3__AVX2`), OpenBLAS (`dgemm_kernel_HASWELL`),
compilers (`f.avx2`, `f.arch_x86_64_v3`). The processors are those that OpenBLAS and gcc name."""
_GLIBC_PREFIXES: Final = ("__GI_", "__libc_")
GLIBC_ALIASES: Final = {"cfree": "free", "gsignal": "raise", "qsort_r": "qsort", "_int_free_chunk": "free"}
"""Other names of the same function, which a symbol table may have first; qsort ends by a jump to qsort_r, and
free, since glibc 2.43, by one to _int_free_chunk."""
_GLIBC_OWN: Final = frozenset({"free", "malloc", "calloc", "realloc", "memalign", "abort", "raise", "system"})
"""Names that glibc has both plain and with a prefix, depending on which symbols are installed."""
_ADDS: Final = ("_time64", "64")
NAMES: Final = 512
"""Names that are kept in their normal form: threads of a program wait in the same functions."""


@lru_cache(NAMES)
def normalise(function: str) -> str:
    """A function's name as it is in every build: no clone suffix, hash, argument or template argument.

    A function of Cython is named as its source does: `yaml._yaml.CParser._compose_node`.
    """
    written = demangle(function) if function.startswith(("_Z", "_R")) else function
    name = path_of(_RUST_HASH.sub("", _VERSION.sub("", _CLONE.sub("", written))))
    name = _INSTRUCTIONS.sub("", cython_path(name) or name)
    for prefix in _GLIBC_PREFIXES:
        if name.removeprefix(prefix) in _GLIBC_OWN or prefix == "__GI_":
            name = name.removeprefix(prefix)
    return name


def public_name(function: str) -> str:
    """The name by which programs call a function of the C library.

    For example `pthread_cond_timedwait` of ___pthread_cond_timedwait64, and `read` of __libc_read.
    """
    name = normalise(function).lstrip("_").removeprefix("libc_").removeprefix("IO_")
    name = next((name.removesuffix(end) for end in _ADDS if name.endswith(end)), name)
    return "pthread_join" if name in JOIN else GLIBC_ALIASES.get(name, name)
