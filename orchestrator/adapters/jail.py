"""Confines programs that read hostile files: they write to named folders only, and open no socket.

It uses kernel features that need neither privileges nor another program: Landlock (landlock(7)) for files, a
filter of system calls (libseccomp) for sockets, signals and the rest that Landlock does not cover,
no_new_privs, and no capability except the one to read. Each applies to a thread and is inherited by the
programs that it starts. A new thread is therefore confined, starts the program, and ends; this process is
unaffected.

Reading is not confined. The program's output is untrusted.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from orchestrator.errors import ToolError
from orchestrator.invocation import command

Started = TypeVar("Started")

DENIED: Final = (
    "socket", "socketpair", "connect", "io_uring_setup",
    "kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal",
    "ptrace", "process_vm_writev", "unshare", "setns", "mount", "add_key", "request_key", "keyctl",
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat",
    "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr",
    "removexattrat", "utime", "utimes", "futimesat", "utimensat",
)  # fmt: skip
"""System calls that fail with EPERM: those that reach other processes, and files' metadata anywhere."""
_NOT, _MASKED = 1, 7
"""SCMP_CMP_NE, SCMP_CMP_MASKED_EQ."""
DENIED_WITH: Final = (
    ("prlimit64", (0, _NOT, 0, 0)),
    ("ioctl", (1, _MASKED, 0xFFFFFFFF, 0x5412)),
    ("ioctl", (1, _MASKED, 0xFFFFFFFF, 0x541C)),
)
"""Those that fail for some arguments: limits of another process, and TIOCSTI and TIOCLINUX, which
inject input into a terminal. An argument's place, how it is compared, and with what."""
HINT: Final = f"the kernel refused to confine a program; `{command('doctor')}` says what this host can do"

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""landlock_create_ruleset and the calls after it; the numbers are the same on every architecture."""
_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_WRITE, _TRUNCATE, _REFER = 1 << 1, 1 << 14, 1 << 13
_CHANGE: Final = sum(1 << right for right in range(4, 13))
"""Removing, and making files of any kind (linux/landlock.h, LANDLOCK_ACCESS_FS_*)."""
_NET: Final = 3
"""Binding and connecting TCP."""
_SCOPES: Final = 3
"""Abstract unix sockets and signals stay within."""
_SET_NO_NEW_PRIVS, _CAPBSET_DROP = 38, 24
_LAST_CAPABILITY: Final = 63
_READ_SEARCH: Final = 2
"""CAP_DAC_READ_SEARCH: root reads the cores of all users."""
_ALLOW, _DENY = 0x7FFF0000, 0x00050000 | errno.EPERM
"""SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM)."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


class _Compared(ctypes.Structure):
    _fields_ = (
        ("place", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


@dataclass(frozen=True, kw_only=True)
class Jail:
    """The folders that a program may write to; they must exist."""

    writable: tuple[Path, ...] = ()


def start_in(jail: Jail, start: Callable[[], Started]) -> Started:
    """Call `start`, which starts a program, confined as far as this host can; `shortcomings` says how far.

    Raises ToolError where the kernel refuses what it offers.
    """

    def confined() -> Started:
        _confine(jail)
        return start()

    with ThreadPoolExecutor(1, thread_name_prefix="jail") as pool:
        return pool.submit(confined).result()


@cache
def shortcomings() -> tuple[str, ...]:
    """What this host cannot confine, as text; empty where it can confine everything."""
    landlock = None if _landlock() else "its kernel has no Landlock (Linux 5.13, `lsm=`)"
    filters = None if _seccomp() else "libseccomp is not installed"
    return tuple(filter(None, (landlock, filters)))


def _confine(jail: Jail) -> None:
    """Confine the calling thread, for good."""
    _check(_libc().prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    for capability in range(_LAST_CAPABILITY + 1):
        if capability != _READ_SEARCH:
            _libc().prctl(_CAPBSET_DROP, capability, 0, 0, 0)  # an unprivileged user has none to drop
    if version := _landlock():
        _restrict_files(jail, version)
    if library := _seccomp():
        _filter_calls(library)


def _restrict_files(jail: Jail, version: int) -> None:
    refer = _REFER if version >= 2 else 0
    truncate = _TRUNCATE if version >= 3 else 0
    every = _WRITE | _CHANGE | refer | truncate
    rules = _Ruleset(files=every, net=_NET, scoped=_SCOPES)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _check(_libc().syscall(_CREATE, ctypes.byref(rules), ctypes.c_size_t(size), 0))
    try:
        for folder in jail.writable:
            _allow(ruleset, folder, every)
        _allow(ruleset, Path(os.devnull), _WRITE | truncate)
        _check(_libc().syscall(_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise ToolError(f"confining a program to {path}: {error.strerror}", hint=HINT) from error
    try:
        rule = _Beneath(allowed=rights, folder=place)
        _check(_libc().syscall(_ADD, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(place)


def _filter_calls(library: ctypes.CDLL) -> None:
    filters = ctypes.c_void_p(library.seccomp_init(_ALLOW))
    try:
        for name, compared in (*((name, None) for name in DENIED), *DENIED_WITH):
            number = library.seccomp_syscall_resolve_name(name.encode())
            rule = ctypes.byref(_Compared(*compared)) if compared else None
            if number >= 0:  # An older library, or another architecture, does not know it.
                _check(-library.seccomp_rule_add_array(filters, _DENY, number, int(bool(rule)), rule))
        _check(library.seccomp_load(filters))
    finally:
        library.seccomp_release(filters)


@cache
def _libc() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    return library


@cache
def _landlock() -> int:
    """The version of Landlock's interface; 0 where the kernel has none, or lets nobody use it."""
    return max(0, int(_libc().syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)))


@cache
def _seccomp() -> ctypes.CDLL | None:
    with suppress(OSError):
        library = ctypes.CDLL("libseccomp.so.2")
        library.seccomp_init.restype = ctypes.c_void_p
        return library
    return None


def _check(result: int) -> int:
    if result < 0:
        raise ToolError(f"confining a program: {os.strerror(ctypes.get_errno())}", hint=HINT)
    return int(result)
