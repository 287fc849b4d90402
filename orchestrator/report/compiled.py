"""Keeps compiled templates beside the compiled modules: compiling them takes longer than a small report.

They are code, so they lie where Python keeps that of the modules, and are trusted as it is: not in the cache,
which more may write. Where that folder cannot be written, or PYTHONDONTWRITEBYTECODE is set, each process
compiles them anew.
"""

import functools
import hashlib
import importlib.util
import pickle
import sys
from contextlib import suppress
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket, FileSystemBytecodeCache

NAME = "template-%s.jinja"


class CompiledTemplates(FileSystemBytecodeCache):
    """A cache that counts a template as changed when what compiles it has changed."""

    def __init__(self, folder: Path | None = None) -> None:
        """Keep them in a folder; None: in that of this module's bytecode."""
        beside = folder or Path(importlib.util.cache_from_source(__file__)).parent
        super().__init__(str(beside), NAME)

    def get_source_checksum(self, source: str) -> str:
        """The digest of a template and of what compiles it."""
        return hashlib.sha256(f"{_compiler()}\n{source}".encode()).hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load what is kept; nothing where it is damaged."""
        try:
            super().load_bytecode(bucket)
        except (OSError, EOFError, pickle.UnpicklingError):
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a compiled template, if modules are kept."""
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                super().dump_bytecode(bucket)


@functools.cache
def _compiler() -> str:
    """What templates are compiled by: jinja2 with this station's generator, options and filters."""
    modules = sorted(Path(__file__).parent.glob("*.py"))
    stats = [(path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in modules]
    return f"{jinja2.__version__} {stats}"
