"""Which run it is: commit and branch from git's own files, the job from CI's variables, and its command."""

import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.adapters.checkout import Checkout, checkout
from orchestrator.cli import main
from orchestrator.matrix import Request
from orchestrator.pipeline.identity import run_identity
from orchestrator.pipeline.planning import make_plan
from orchestrator.pipeline.projects import Project

ROOT = Path(__file__).resolve().parents[2]
COMMIT, OTHER = "a" * 40, "b" * 40


def repository(folder: Path, head: str, **refs: str) -> Path:
    git = folder / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text(head + "\n")
    for name, commit in refs.items():
        (git / "refs" / "heads" / name).write_text(commit + "\n")
    return folder


def test_a_branch_leads_to_its_commit_from_any_folder_below(tmp_path: Path) -> None:
    repository(tmp_path, "ref: refs/heads/main", main=COMMIT)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    assert checkout(tmp_path / "deep" / "er") == Checkout(COMMIT, "main", "deep/er")


def test_a_packed_branch_a_bare_commit_and_a_worktree_are_read(tmp_path: Path) -> None:
    packed = repository(tmp_path / "packed", "ref: refs/heads/topic/x")
    (packed / ".git" / "packed-refs").write_text(
        f"# pack-refs\n{OTHER} refs/heads/x\n{COMMIT} refs/heads/topic/x\n"
    )
    assert checkout(packed) == Checkout(COMMIT, "topic/x")
    assert checkout(repository(tmp_path / "bare", COMMIT)) == Checkout(COMMIT, None)
    own = packed / ".git" / "worktrees" / "w"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/topic/x\n")
    (own / "commondir").write_text("../..\n")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {own}\n")
    assert checkout(tree) == Checkout(COMMIT, "topic/x")


@pytest.mark.parametrize(
    "head", ["", "ref: refs/heads/../../secret", "ref: /etc/passwd", "x" * 200, "ref: refs/heads/none"]
)
def test_what_names_no_commit_is_no_commit(tmp_path: Path, head: str) -> None:
    (tmp_path / "secret").write_text("not a commit")
    assert checkout(repository(tmp_path / "r", head)).commit is None


def test_git_says_the_same_of_a_real_repository(tmp_path: Path) -> None:
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")

    def run(*arguments: str) -> str:
        name = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        command = [git, "-C", str(tmp_path), *name, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    run("init", "-q", "-b", "a/branch")
    run("commit", "-q", "--allow-empty", "-m", "x")
    assert checkout(tmp_path) == Checkout(run("rev-parse", "HEAD"), "a/branch")
    run("pack-refs", "--all")
    assert checkout(tmp_path) == Checkout(run("rev-parse", "HEAD"), "a/branch")


def test_the_job_of_ci_is_an_address_of_the_web_and_nothing_else(tmp_path: Path) -> None:
    repository(tmp_path, COMMIT)
    github = {"GITHUB_SERVER_URL": "https://g.example", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7"}
    found = run_identity(tmp_path, github | {"GITHUB_SHA": COMMIT, "GITHUB_REF_NAME": "main"})
    assert found.files == f"https://g.example/o/r/blob/{COMMIT}/"
    (tmp_path / "a b").mkdir()
    below = run_identity(tmp_path / "a b", {"CI_PROJECT_URL": "https://l.example/p", "CI_COMMIT_SHA": COMMIT})
    assert below.files == f"https://l.example/p/-/blob/{COMMIT}/a%20b/"
    assert run_identity(tmp_path, github | {"GITHUB_SHA": OTHER}).files is None
    assert run_identity(tmp_path, {}).files is None
    assert (found.job, found.commit, found.branch) == ("https://g.example/o/r/actions/runs/7", COMMIT, "main")
    assert (
        run_identity(tmp_path, {"CI_JOB_URL": "https://lab.example/jobs/1"}).job
        == "https://lab.example/jobs/1"
    )
    assert run_identity(tmp_path, {"BUILD_URL": "javascript:alert(1)"}).job is None
    elsewhere = run_identity(tmp_path, {"GITHUB_SHA": OTHER, "GITHUB_REF_NAME": "main"})
    assert (elsewhere.commit, elsewhere.branch) == (COMMIT, None)


def test_the_command_of_a_run_chooses_the_same_cells_again(capsys: pytest.CaptureFixture[str]) -> None:
    expression = 'python != "3.9" and probe == "cpp"'
    asked = Request(
        profile="fixes",
        axes={"mitigation": ("none", "try-with"), "glibc": ("2.31", "2.36")},
        expression=expression,
    )
    plan = make_plan(Project.load(ROOT), asked, listing=True).plan
    assert plan.chosen == (
        "--profile", "fixes", "--axis", "mitigation=none,try-with", "--glibc", "2.31,2.36", "-k", expression,
    )  # fmt: skip
    assert main(["--project", str(ROOT), "plan", *plan.chosen]) == 0
    listed = capsys.readouterr().out
    assert len(plan.cells) > 0
    assert all(item.cell.id in listed for item in plan.cells)
    assert f"{len(plan.cells)} cells run" in listed
    assert plan.command.endswith(f"-k '{expression}'")
