"""Code that a process generated as it ran: which compiler wrote it, by the modules that are loaded.

Such code is in no file, so it has no names and no call frame information here.
"""

import re
from pathlib import PurePosixPath
from typing import Final

from orchestrator.binary.core.corefile import Core

_UNKNOWN: Final = "the program"
_COMPILERS: Final = (
    (re.compile(r"libjvm\.so"), "the JVM"),
    (re.compile(r"(node|nodejs|d8|deno|electron|chrome|chromium)|lib(node|v8|electron)[^/]*\.so.*"), "V8"),
    (re.compile(r"(libcoreclr|libclrjit)\.so"), ".NET"),
    (re.compile(r"libmono.*\.so.*"), "Mono"),
    (re.compile(r"pypy3?[\d.]*(-c)?|libpypy.*\.so.*"), "PyPy"),
    (re.compile(r"luajit.*|libluajit.*\.so.*"), "LuaJIT"),
    (re.compile(r"beam\.smp"), "Erlang"),
    (re.compile(r"libpcre2?.*\.so.*"), "PCRE"),
    (re.compile(r"(libLLVM|llvmlite|_?libllvmlite).*\.so.*"), "LLVM"),
)
"""Names of files with a compiler, and whose it is; first those that generate most code of a process."""


def generator(core: Core, pc: int) -> str | None:
    """Who generated the code at an address, in words; None for code of a file, and for no code."""
    segment = core.segment_at(pc)
    if segment is None or not core.is_code(pc) or core.module_at(pc) is not None or core.is_kernels(pc):
        return None
    names = [PurePosixPath(module.path).name for module in core.modules]
    found = (who for pattern, who in _COMPILERS if any(pattern.fullmatch(name) for name in names))
    return next(found, _UNKNOWN)
