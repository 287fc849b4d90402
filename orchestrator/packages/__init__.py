"""Requirements to the exact wheels of an environment, or to why it has none."""

from orchestrator.packages.requirements import parse
from orchestrator.packages.resolve import Answer, Resolver, placed

__all__ = ["Answer", "Resolver", "parse", "placed"]
