"""Remedies on the real server: each is compared with the same cell without it."""

import shlex
import subprocess
from pathlib import Path

from orchestrator.model import CoreState, Verdict
from tests.integration.runs import parts_that_assert_nothing, run

CELL = "tls-atexit/py3.11-glibc2.36-x86_64-uwsgi-cpp"
ONE = ("--profile", "fixes", "--glibc", "2.36", "--launcher", "uwsgi")


def test_each_remedy_is_as_its_mechanism_says_and_one_table_says_where_it_holds(tmp_path: Path) -> None:
    ended = run(*ONE, "--probe", "cpp", reports=tmp_path / "reports")
    assert ended.code == 0, ended.stdout + ended.stderr
    assert parts_that_assert_nothing(ended) == []
    crashed = {name for name, result in ended.results.items() if result.trials[0].crash}
    assert crashed == {CELL, f"{CELL}+mitigation=skip-atexit-no-master"}
    rows = [line.split() for line in ended.stdout.splitlines() if line.startswith("tls-atexit ")]
    table = {words[1]: " ".join(words[2:4]) for words in rows if words[3] == "of"}  # the others are sentences
    assert table == {
        "skip-atexit": "1 of",
        "skip-atexit-no-master": "0 of",
        "skip-atexit-teardown": "1 of",
        "worker-exit": "1 of",
    }


def test_under_a_master_that_ends_with_0_the_workers_crash_is_seen(project: Path, tmp_path: Path) -> None:
    path = project / "scenarios/tls-atexit/scenario.yaml"
    options = "launcher_options:\n  - {when: 'mitigation == \"none\"', options: [--master]}\n"
    path.write_text(path.read_text().replace("launcher_options:\n", options))
    ended = run("--cell", CELL, reports=tmp_path / "reports", project=project)
    assert ended.code == 0, ended.stdout + ended.stderr
    (result,) = ended.results.values()
    (trial,) = result.trials
    assert result.judgement.verdict is Verdict.PASS
    assert (trial.outcome.signal, trial.core.state) == ("SIGABRT", CoreState.FOUND)
    assert trial.crash is not None
    assert trial.crash.signal.name == "SIGSEGV"
    # The trap itself: told to stop by its user, the master ends with 0.
    line = shlex.split(result.by_hand)
    at = line.index("python3")
    script = (
        "cd /opt/crashmatrix; bin/uwsgi --http-socket 127.0.0.1:8080 --wsgi-file scenario/driver.py"
        " --need-app --enable-threads --die-on-term --use-abort --master & pid=$!; "
        "python3 -c 'import time,urllib.request as u\nfor _ in range(100):\n try: u.urlopen("
        '"http://127.0.0.1:8080/").read(); break\n except OSError: time.sleep(0.05)\n\'; '
        "sleep 0.3; kill -TERM $pid; wait $pid; echo master: $?"
    )
    done = subprocess.run([*line[:at], "sh", "-c", script], capture_output=True, text=True, check=True)
    assert "master: 0" in done.stdout
    assert "Segmentation Fault" in done.stdout + done.stderr


def test_an_expectation_turned_round_fails(project: Path, tmp_path: Path) -> None:
    """A remedy that would be said to keep the callback, which it skips, is found out."""
    path = project / "scenarios/tls-atexit/scenario.yaml"
    right = "absent: atexit callback ran\n    because: >-\n      uWSGI's Python plugin returns"
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, right.replace("absent", "message")))
    cell = f"{CELL}+mitigation=skip-atexit-teardown"
    ended = run("--cell", cell, reports=tmp_path / "reports", project=project)
    assert ended.code == 1
    assert "no output matches /atexit callback ran/" in ended.results[cell].judgement.reason
