"""Tests depend on what they test, not on what a person or a CI service has set for other programs."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "CLICOLOR_FORCE": "1", "COLUMNS": "40", "FORCE_COLOR": "1", "GITHUB_ACTIONS": "true",
    "PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "error", "TZ": "Pacific/Kiritimati",
}  # fmt: skip
SENSITIVE = (
    "test_analyze.py::test_the_page_names_the_crash_before_all_else",
    "test_cli.py::test_a_command_imports_only_what_it_uses",
    "test_supervisor.py::test_output_passes_untouched",
)
"""Each failed under some of these once."""


def test_tests_pass_under_settings_of_other_programs() -> None:
    tests = [f"tests/unit/{name}" for name in SENSITIVE]
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        # sudo allows what it starts no core files.
        ["/bin/sh", "-c", 'ulimit -c 0; exec "$@"', "sh", *line],
        cwd=ROOT, env=os.environ | SETTINGS, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
