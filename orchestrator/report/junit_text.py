"""The text of a case of junit.xml: what was expected, what was seen, how to repeat it."""

from orchestrator.adapters.visible import visible
from orchestrator.model import CellResult
from orchestrator.report import words
from orchestrator.report.packing import Places
from orchestrator.report.text import excerpt_text, read_excerpt
from orchestrator.rundir import CellRecord, RunData, Status


def brief(places: Places, record: CellRecord) -> str:
    """The text of a cell without full details: where the details are, and how to repeat it."""
    lines = [f"repeat: {record.result.repeat}"] if record.result else []
    return "\n".join([*lines, f"page: {_page(places, record)}"])


def _page(places: Places, record: CellRecord) -> str:
    """A cell's page in the run's folder, as a browser takes it."""
    page, fragment = places.url(record)
    return f"{page}#{fragment}" if fragment else page


def details(data: RunData, places: Places, record: CellRecord) -> str:
    """What a reader of a failed case needs, from the expectation to the command that repeats it."""
    expectation, result = record.planned.expectation, record.result
    lines = [
        f"cell: {record.id}",
        f"axes: {', '.join(f'{axis}={value}' for axis, value in record.cell.axes.items())}",
        f"expected: {words.expected(expectation)}"
        + (f", because {expectation.because}" if expectation.because else ""),
    ]
    lines += [f"rule: {expectation.where}"] if expectation.where else []
    if record.status is not Status.PASS:
        lines += [f"difference: {item.words}" for item in data.explained.get(record.id, ())]
    lines += [f"caution: {caution}" for caution in words.cautions(result)]
    if result:
        trial = words.telling_trial(result)
        if trial:
            lines += [f"seen: {words.trial_seen(trial)}", f"core: {words.core_words(trial.core)}"]
            lines += [f"tests: {words.test_counts(trial.outcome.tests)}"] if trial.outcome.tests else []
            lines += words.evidence_lines(trial)
        for crash, whose in words.crashes_of(trial) if trial else ():
            lines += [f"signature{whose}: {crash.signature}", "", words.backtrace_text(crash), ""]
        lines.append(f"repeat: {result.repeat}")
    lines.append(f"page: {_page(places, record)}")
    return "\n".join(lines)


def output(data: RunData, result: CellResult, stream: str, limit: int) -> str:
    """One stream of the telling trial, cut in the middle where it is long."""
    trial = words.telling_trial(result)
    if trial is None:
        return ""
    name = trial.outcome.stdout if stream == "stdout" else trial.outcome.stderr
    path = data.inside(name)
    if path is None:
        return f"[{visible(name)} is not in the run's folder]"
    return excerpt_text(read_excerpt(path, limit), visible(name))
