"""A cell as a folder for people who do not have this program: a Dockerfile, its files, and one command."""

from orchestrator.repro.dockerfile import Recipe, dockerfile, requirements
from orchestrator.repro.texts import Story, readme, run_script

__all__ = ["Recipe", "Story", "dockerfile", "readme", "requirements", "run_script"]
