"""Say whether this interpreter is the version that the argument names and has the modules that cells need.

    python3 check.py VERSION [MODULE,...]

The modules that the second argument names may be missing. CPython's make ends with 0 when it could not
compile an extension module, so each build asks here.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import platform
import socket
import sys
import sysconfig
import threading
import zlib
from collections.abc import Callable, Iterator

NEEDED = """
    _asyncio _bisect _blake2 _csv _ctypes _datetime _decimal _elementtree _heapq _json _md5 _multiprocessing
    _pickle _posixsubprocess _queue _random _sha1 _sha3 _socket _struct _zoneinfo array binascii cmath fcntl
    grp math mmap pyexpat resource select syslog termios unicodedata zlib
"""
DATA = b"x" * 1000


def use_bz2() -> bool:
    """Whether what bz2 compresses is what it decompresses."""
    module = importlib.import_module("bz2")
    return bool(module.decompress(module.compress(DATA)) == DATA)


def use_curses() -> bool:
    """Whether a terminal's description is found, in the base or in the library."""
    module = importlib.import_module("curses")
    module.setupterm("xterm", 1)
    return bool(module.tigetnum("colors") == 8)


def use_lzma() -> bool:
    """Whether what lzma compresses is what it decompresses."""
    module = importlib.import_module("lzma")
    return bool(module.decompress(module.compress(DATA)) == DATA)


def use_readline() -> bool:
    """Whether a line is kept in the history."""
    module = importlib.import_module("readline")
    module.parse_and_bind("tab: complete")
    module.add_history("a line")
    return bool(module.get_history_item(module.get_current_history_length()) == "a line")


def use_sqlite3() -> bool:
    """Whether a table can be searched for words, by an extension that Debian compiles in, too."""
    connection = importlib.import_module("sqlite3").connect(":memory:")
    connection.execute("create virtual table words using fts5(word)")
    connection.execute("insert into words values ('one'), ('two')")
    (count,) = connection.execute("select count(*) from words where words match 'two'").fetchone()
    connection.close()
    return bool(count == 1)


def use_ssl() -> bool:
    """Whether a context takes the default authorities, of which a base may have none, and OpenSSL hashes."""
    module = importlib.import_module("ssl")
    context = module.create_default_context()
    context.load_verify_locations(capath=module.get_default_verify_paths().openssl_capath)
    hashed = importlib.import_module("_hashlib").openssl_sha256(b"").hexdigest()
    return bool(context.verify_mode == module.CERT_REQUIRED and hashed.startswith("e3b0c442"))


OUTSIDE: dict[str, Callable[[], bool]] = {
    "bz2": use_bz2,
    "curses": use_curses,
    "lzma": use_lzma,
    "readline": use_readline,
    "sqlite3": use_sqlite3,
    "ssl": use_ssl,
}
"""The modules that stand on a library of their own, and whether each works."""


def missing() -> Iterator[str]:
    """The needed modules that cannot be imported, each with its error."""
    for name in NEEDED.split():
        try:
            importlib.import_module(name)
        except ImportError as error:
            yield f"{name} ({error})"


def outside() -> dict[str, str]:
    """The modules with libraries of their own that cannot be imported, each with its error."""
    absent = {}
    for name in OUTSIDE:
        try:
            importlib.import_module(name)
        except ImportError as error:
            absent[name] = f"{name} ({error})"
    return absent


def broken() -> Iterator[str]:
    """What of the code from outside CPython does not work, though its module loads."""
    if ctypes.CDLL(None).abs(-3) != 3:
        yield "a call by ctypes"
    if ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda value: value + 1)(1) != 2:
        yield "a callback by ctypes"
    if zlib.decompress(zlib.compress(DATA)) != DATA:
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


def failing(absent: dict[str, str]) -> Iterator[str]:
    """The modules with libraries of their own that load and do not work."""
    for name, works in OUTSIDE.items():
        if name in absent:
            continue
        try:
            if not works():
                yield name
        except Exception as error:  # noqa: BLE001 - whatever a module that does not work raises
            yield f"{name} ({type(error).__name__}: {error})"


def version() -> str:
    """This interpreter's version, with a t behind it if it is free-threaded."""
    return platform.python_version() + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else "")


def main(wanted: str, may_lack: str = "") -> int:
    """Check this interpreter; returns its exit status."""
    absent = outside()
    allowed = {name: said for name, said in absent.items() if name in may_lack.split(",")}
    lacks = [*missing(), *(said for name, said in absent.items() if name not in allowed)]
    lacks += [*broken(), *failing(absent)]
    if version() != wanted:
        lacks.append(f"the version {wanted}")
    # A module that does not know of free threads switches the GIL on.
    if wanted.endswith("t") and getattr(sys, "_is_gil_enabled", lambda: True)():
        lacks.append("threads without the GIL")
    print(f"CPython {sys.version} lacks:", ", ".join(lacks) or "nothing that cells need")
    if allowed:
        print("and is known to be without:", ", ".join(allowed.values()))
    return 1 if lacks else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
