"""`python -m bench.report [CELLS]`: what a report of ten thousand cells costs to write, and to keep.

How soon a browser shows it is measured in tests/browser/test_large.py, in real Chromium.
"""

import sys
import tempfile
import time
from pathlib import Path

from orchestrator import report
from orchestrator.report.html import write_html
from orchestrator.report.junit import junit_xml
from orchestrator.report.signatures import group_signatures
from orchestrator.report.summary import summary_markdown
from tests.unit.large_run import write_large

KINDS = {"overview": "*.html", "cells' own pages": "cells/**/*.html", "packs": "assets/packs/*.js"}


def main() -> int:
    """Write a synthetic run and its reports; print seconds and megabytes."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="crashmatrix-bench-") as name:
        folder = write_large(Path(name), count)
        start = time.monotonic()
        data = report.load(folder)
        read = time.monotonic()
        signatures = group_signatures(data)
        write_html(data, signatures)
        html = time.monotonic()
        junit, summary = len(junit_xml(data)), len(summary_markdown(data, signatures))
        done = time.monotonic()
        _say(
            f"{count:,} cells: read in {read - start:.1f} s, HTML in {html - read:.1f} s "
            f"({(html - read) / count * 1000:.1f} ms a cell), JUnit and summary in {done - html:.1f} s"
        )
        sizes = {kind: _size(folder, pattern) for kind, pattern in KINDS.items()}
        _say(", ".join(f"{kind} {size / 1e6:.1f} MB" for kind, size in sizes.items()))
        _say(f"HTML in all {sum(sizes.values()) / 1e6:.1f} MB")
        _say(f"JUnit {junit / 1e6:.1f} MB, summary {summary / 1e6:.2f} MB")
    return 0


def _size(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
