"""The run as rows of plain text, for a terminal's table."""

from dataclasses import dataclass

from orchestrator.report import words
from orchestrator.report.text import duration_words, one_line
from orchestrator.rundir import RunData, Status


@dataclass(frozen=True, kw_only=True)
class Row:
    """A cell in a table. All fields are harmless text on one line; markup still needs escaping."""

    cell: str
    environment: str
    question: str
    status: Status
    expected: str
    seen: str
    reason: str
    cautions: tuple[str, ...]
    duration: str


def table_rows(data: RunData) -> tuple[Row, ...]:
    """One row for each planned cell, in the plan's order."""
    return tuple(
        Row(
            cell=record.id,
            environment=record.cell.environment,
            question=record.cell.question,
            status=record.status,
            expected=one_line(words.expected(record.planned.expectation)),
            seen=one_line(words.cell_seen(record)),
            reason=one_line(record.reason),
            cautions=tuple(one_line(caution) for caution in words.cautions(record.result)),
            duration=duration_words(record.result.seconds) if record.result else "",
        )
        for record in data.records
    )
