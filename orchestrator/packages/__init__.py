"""Requirements to the exact wheels of an environment, or to why it has none."""

from orchestrator.packages.locked import misfit, placed, with_places
from orchestrator.packages.project import PackageProject, read_project
from orchestrator.packages.requirements import parse
from orchestrator.packages.resolve import Answer, Resolver

__all__ = ["Answer", "PackageProject", "Resolver", "misfit", "parse", "placed", "read_project", "with_places"]
