"""From a run's results on disk to its reports: what explains them first, then the rendering."""

from pathlib import Path

from orchestrator import report
from orchestrator.explain import explain
from orchestrator.report import RunData
from orchestrator.tools.files import write_atomically


def write_reports(folder: Path) -> RunData:
    """Explain a run's results and render all its reports; raises InputError where it cannot be read."""
    data = report.load_results(folder)
    explanations = explain(data.plan, data.results)
    write_atomically(folder / report.EXPLANATIONS_FILE, explanations.model_dump_json(indent=1))
    return report.write(folder)
