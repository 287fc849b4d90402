"""crashmatrix: run a crash question in a matrix of environments and read the answer from its cores."""

import os

from orchestrator.lazy import install

__version__ = "0.1.0"

install()
# pydantic would look for its plugins among the metadata of all packages; an instrumenting one of another
# project must not change how documents are read.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
