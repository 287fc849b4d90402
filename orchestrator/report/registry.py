"""The reports that a run's folder has; a new format is a module and an entry in `FORMATS`."""

from dataclasses import replace
from typing import Final

from orchestrator.report.formats import Format
from orchestrator.report.html import INDEX, write_html
from orchestrator.report.junit import junit_xml, located_junit_xml
from orchestrator.report.summary import summary_markdown
from orchestrator.rundir import RunData

JUNIT: Final = Format(name="JUnit", file="junit.xml", text=junit_xml)
LOCATED_JUNIT: Final = replace(JUNIT, text=located_junit_xml)
FORMATS: Final = [
    Format(name="report", file=INDEX, write=write_html),
    JUNIT,
    Format(name="summary", file="summary.md", text=summary_markdown),
]
"""In the order in which a terminal lists them."""


def write(data: RunData, *, junit_files: bool = False) -> None:
    """Write the reports of all formats into the run's folder.

    With `junit_files`, the cases of junit.xml have the attributes `file` and `line`.
    """
    for item in FORMATS:
        (LOCATED_JUNIT if junit_files and item is JUNIT else item).into(data)
