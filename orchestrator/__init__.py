"""crashmatrix: run a crash question in a matrix of environments and read the answer from its cores."""

from orchestrator.lazy import install

__version__ = "0.1.0"

install()
