"""Paths inside a trial's container, on which both of its sides agree: this program and images/launch/."""

from typing import Final

WORK: Final = "/work"
"""The working directory of the process under question, on a volume that is the container's own."""
REPORT_FOLDER: Final = ".crashmatrix"
"""The folder in it for what the supervisor and the instruments write."""
