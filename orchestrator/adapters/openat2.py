"""openat2(2) of Linux 5.6, which Python does not offer: finds a file below a folder in one system call."""

import ctypes
import errno
import os
from typing import Final

OUT: Final = "leads out of the folder"
_NUMBER: Final = 437
"""The same on every architecture that crashmatrix runs on."""
_NO_MAGICLINKS, _BENEATH = 0x02, 0x08
"""RESOLVE_NO_MAGICLINKS, RESOLVE_BENEATH (linux/openat2.h)."""
_WITHOUT: Final = frozenset({errno.ENOSYS, errno.EPERM, errno.EAGAIN})
"""Errors of a kernel without the call, of a filter of system calls, and of folders that move meanwhile."""
_call: Final = ctypes.CDLL(None, use_errno=True).syscall


class _How(ctypes.Structure):
    """struct open_how."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_LOOK: Final = _How(flags=os.O_PATH | os.O_CLOEXEC, mode=0, resolve=_BENEATH | _NO_MAGICLINKS)
_call.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(_How), ctypes.c_size_t)
_call.restype = ctypes.c_long
_HOW: Final = ctypes.byref(_LOOK), ctypes.sizeof(_LOOK)


def look_beneath(folder: int, name: bytes) -> int | None:
    """An O_PATH descriptor of what lies at a relative name; links are followed as long as they stay inside.

    `folder` is a descriptor; the name has no NUL. None where the kernel cannot answer: another way is needed
    then. Raises OSError, with EXDEV where the name leads out of the folder.
    """
    found: int = _call(_NUMBER, folder, name, *_HOW)
    if found >= 0:
        return found
    error = ctypes.get_errno()
    if error in _WITHOUT:
        return None
    raise OSError(error, OUT if error == errno.EXDEV else os.strerror(error))
