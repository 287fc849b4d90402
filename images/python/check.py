"""Say whether this interpreter is the version that the argument names and has the modules that cells need.

CPython's make ends with 0 when it could not compile an extension module, so each build asks here.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import platform
import socket
import sys
import threading
import zlib
from collections.abc import Iterator

NEEDED = """
    _asyncio _bisect _blake2 _csv _ctypes _datetime _decimal _elementtree _heapq _json _md5 _multiprocessing
    _pickle _posixsubprocess _queue _random _sha1 _sha3 _socket _struct _zoneinfo array binascii cmath fcntl
    grp math mmap pyexpat resource select syslog termios unicodedata zlib
"""


def missing() -> Iterator[str]:
    """The needed modules that cannot be imported, each with its error."""
    for name in NEEDED.split():
        try:
            importlib.import_module(name)
        except ImportError as error:
            yield f"{name} ({error})"


def broken() -> Iterator[str]:
    """What of the code from outside CPython does not work, though its module loads."""
    if ctypes.CDLL(None).abs(-3) != 3:
        yield "a call by ctypes"
    if ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda value: value + 1)(1) != 2:
        yield "a callback by ctypes"
    if zlib.decompress(zlib.compress(b"x" * 1000)) != b"x" * 1000:
        yield "zlib"
    if not hashlib.sha256(b"").hexdigest().startswith("e3b0c442"):
        yield "hashlib"
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        if not socket.gethostbyname("localhost").startswith("127."):
            yield "looking up a name"
    done = threading.Event()
    threading.Thread(target=done.set).start()
    if not done.wait(10):
        yield "threads"


def main(wanted: str) -> int:
    """Check this interpreter; returns its exit status."""
    lacks = [*missing(), *broken()]
    if platform.python_version() != wanted:
        lacks.append(f"the version {wanted}")
    print(f"CPython {sys.version} lacks:", ", ".join(lacks) or "nothing that cells need")
    return 1 if lacks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
