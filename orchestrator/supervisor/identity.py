"""The users that this program and its tested processes run as.

The container starts as root with the capabilities to change user and group, and no other. This program keeps
root as its real and saved user, which decide who may signal, trace or open it (kill(2), ptrace(2), proc(5)).
It takes the tested processes' user as its effective one, by which it signals them and owns what it writes for
them. A tested process is that user in all respects and has no capability, so it can reach neither this
program nor init.
"""

from __future__ import annotations

import os
import pwd
import stat

NOT_DUMPABLE = (4, 0, 0, 0, 0)
"""PR_SET_DUMPABLE."""


def divide(user: int, group: int) -> None:
    """Take the tested processes' user as the effective one, for good; raises OSError."""
    open_streams()
    os.setgroups([group])
    os.setresgid(group, group, group)
    os.setresuid(0, user, 0)
    # A change of user makes a process undumpable and its /proc files root's, unless fs.suid_dumpable is 1.
    if os.stat("/proc/self/oom_score_adj").st_uid:
        import ctypes

        ctypes.CDLL(None).prctl(*NOT_DUMPABLE)
    os.environ["HOME"] = home_of(user)


def open_streams() -> None:
    """Let other users open the pipes that are this program's streams, as /dev/stdout, which are root's."""
    for stream in (0, 1, 2):
        if stat.S_ISFIFO(os.fstat(stream).st_mode):
            os.fchmod(stream, 0o666)


def home_of(user: int) -> str:
    """The home that an engine gives a user: that of /etc/passwd, else the root folder."""
    try:
        return pwd.getpwuid(user).pw_dir
    except KeyError:
        return "/"


def user_and_group(text: str) -> tuple[int, int]:
    """Parse "1000:1000"."""
    user, _, group = text.partition(":")
    return int(user), int(group)
