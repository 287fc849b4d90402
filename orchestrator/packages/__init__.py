"""Requirements to the exact wheels of an environment, or to why it has none."""

from orchestrator.packages.project import PackageProject, read_project
from orchestrator.packages.requirements import parse
from orchestrator.packages.resolve import Answer, Resolver, misfit, placed, with_places

__all__ = ["Answer", "PackageProject", "Resolver", "misfit", "parse", "placed", "read_project", "with_places"]
