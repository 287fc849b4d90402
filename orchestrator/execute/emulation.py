"""Trials under qemu-user: their settings, and the core that qemu writes instead of the kernel.

The kernel dumps the emulator, which says nothing about the program in it. qemu writes its guest's core
itself, into the guest's working directory, if RLIMIT_CORE and the folder's permissions allow it.
"""

import os
import shutil
from pathlib import Path
from typing import Final

from orchestrator.adapters.engine import Engine
from orchestrator.errors import ToolError

ENVIRONMENT: Final = {"QEMU_CPU": "cortex-a72"}
"""A CPU without pointer authentication, with which gdb 13 stops: "Register 69 is not available"."""
GRACE: Final = 60.0
"""Additional seconds for the container: to start the interpreter, and for qemu to write the core."""
CORE_NAME: Final = "core"


def keep_core(engine: Engine, container: str, path: str, folder: Path) -> Path | None:
    """Fetch the core that qemu wrote at `path` of a container; None if there is none.

    Raises EngineError, and ToolError if it cannot be kept.
    """
    target = folder / CORE_NAME
    try:
        for _, content in engine.fetch(container, path):
            # Private: a core holds the process's memory, secrets included.
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                shutil.copyfileobj(content, stream)
            return target
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ToolError(f"qemu's core cannot be kept: {error}", hint="make room on the disk") from error
    return None
