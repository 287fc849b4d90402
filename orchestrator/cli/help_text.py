"""The help of each command: what it does, examples of what people need most, the flags, then the rest."""

import argparse
import shutil
from collections.abc import Iterable
from typing import ClassVar, Final, NoReturn

PROGRAM: Final = """\
Run code in every environment of a matrix, and explain where it crashes and why.

  crashmatrix setup                        prepare this machine, once
  crashmatrix init --script FILE           for your code; then: crashmatrix run
  crashmatrix analyze CORE                 read a core file that you have"""
PROGRAM_END: Final = "`crashmatrix COMMAND --help` explains each command."
EXAMPLES: Final = {
    "init": """\
  crashmatrix init --script repro.py --package grpcio==1.70.0,1.71.2
  crashmatrix init --wsgi app:application -r requirements.txt
  crashmatrix init --pytest tests/ --source . --arguments -x -k 'not slow'""",
    "plan": """\
  crashmatrix plan
  crashmatrix plan --profile full --python 3.13
  crashmatrix plan --json > plan.json""",
    "render": """\
  crashmatrix render
  crashmatrix render --launcher uwsgi --glibc 2.36
  crashmatrix render --out /tmp/recipes""",
    "build": """\
  crashmatrix build
  crashmatrix build --python 3.13 --jobs 4
  crashmatrix build --profile full""",
    "run": """\
  crashmatrix run                                          the default profile
  crashmatrix run --glibc 2.31,2.36 -k 'probe == "cpp"'    some cells
  crashmatrix run --rerun failed                           what was wrong before""",
    "check": """\
  crashmatrix check grpcio==1.71.2
  crashmatrix check dist/package-1.0-cp311-abi3-linux_x86_64.whl
  crashmatrix check . -k 'python == "3.13" and launcher == "plain"'""",
    "bisect": """\
  crashmatrix bisect repro --along grpcio 1.60..1.71    releases in this range
  crashmatrix bisect repro --along python --glibc 2.41
  crashmatrix bisect repro --along commits v1.2..main   commits of `source: .`""",
    "repro": """\
  crashmatrix repro repro/py3.11-glibc2.36-x86_64-plain+orjson=3.9.14
  sh repro-py3.11-glibc2.36-x86_64-plain-orjson-3.9.14/run.sh""",
    "shell": """\
  crashmatrix shell repro/py3.11-glibc2.36-x86_64-plain+orjson=3.9.14
  crashmatrix shell CELL --run 20261129-020000-nightly""",
    "report": """\
  crashmatrix report
  crashmatrix report reports/20261130-101500-smoke
  crashmatrix report --baseline 20261129-020000-nightly""",
    "diff": """\
  crashmatrix diff 20261129-020000-nightly latest
  crashmatrix diff BEFORE AFTER --json""",
    "merge": """\
  crashmatrix merge shard-1 shard-2 shard-3
  crashmatrix merge artifacts/*/ --due due.json""",
    "night": """\
  crashmatrix night fetch nights           the last complete night, into nights/
  crashmatrix night keep nights            after `merge --into nights/RUN`
  crashmatrix night issues nights""",
    "fetch": "  crashmatrix night fetch nights",
    "keep": "  crashmatrix night keep nights",
    "issues": "  crashmatrix night issues nights",
    "analyze": """\
  crashmatrix analyze core.1234.zst --image registry/app:1.2
  crashmatrix analyze 1234 --container web-1
  crashmatrix analyze COREDUMP_EXE=/usr/bin/python3.11 --json""",
    "doctor": """\
  crashmatrix doctor
  crashmatrix doctor --json""",
    "worker": """\
  crashmatrix worker tcp://scheduler:8786
  crashmatrix worker tls://scheduler:8786 --jobs 8""",
    "setup": """\
  crashmatrix setup --dry-run              show what would change
  crashmatrix setup
  crashmatrix setup --undo""",
    "images": """\
  crashmatrix images lock
  crashmatrix images save images.tar --profile smoke
  crashmatrix images load images.tar --profile smoke""",
    "lock": "  crashmatrix images lock",
    "save": "  crashmatrix images save images.tar --profile smoke",
    "load": "  crashmatrix images load images.tar --profile smoke",
    "key": "  crashmatrix images key --profile smoke",
    "schema": "  crashmatrix schema causes",
    "completion": """\
  echo 'eval "$(crashmatrix completion bash)"' >> ~/.bashrc
  echo 'eval "$(crashmatrix completion zsh)"' >> ~/.zshrc
  echo 'crashmatrix completion fish | source' >> ~/.config/fish/config.fish""",
}
"""What people need most of each command, shown before its flags."""
CELLS: Final = """\
A cell is one scenario in one environment: Python, C library, architecture,
launcher, package versions. An axis flag replaces the profile's values.
EXPR compares axes: 'glibc < "2.41" and launcher in ("plain", "uwsgi")'."""
EXIT: Final = """\
Exit codes: 0 all as expected; 1 some cell failed; 2 the input is wrong;
3 the host or engine failed."""
CHOICE: Final = frozenset({"--axis", "-k", "--profile", "--cell"})
EVERYDAY: Final[dict[str, frozenset[str]]] = {
    "plan": CHOICE | {"--json"},
    "render": CHOICE | {"--out"},
    "build": CHOICE | {"--out", "--jobs"},
    **dict.fromkeys(("save", "load", "key"), CHOICE),
    "run": CHOICE | {"--jobs", "--list", "--resume", "--rerun"},
    "init": frozenset({"--script", "--wsgi", "--pytest", "--command", "--package", "-r", "--source"}),
    "check": frozenset({"--environments", "-k", "--tests", "--valgrind", "--json", "--baseline"}),
    "bisect": frozenset({"--along", "--axis"}),
    "analyze": frozenset({"--exe", "--sysroot", "--image", "--container", "--json"}),
}
"""The flags that `--help` explains, for commands with more flags than a screen has rows.

`--help-all` has all.
"""
NOTES: Final = {
    "build": EXIT,
    "run": EXIT,
    "check": """\
Exit codes: 0 no crash and no hang; 1 some (with --baseline: a new one);
2 the input is wrong; 3 the host or engine failed, or nothing could be tested.""",
    "bisect": """\
Exit codes: 0 the outcome flips once; 1 not, more than once, or at random;
2 the input is wrong; 3 the host or engine failed, or too few values tested.""",
    "repro": """\
The folder has a Dockerfile, the code, the exact packages with their hashes, a
README.md with the stack, and run.sh, which needs Docker alone. What no public
image has lies in the folder as a tar.""",
    "shell": """\
The shell has the cell's image, variables, limits and network, and a copy of the
code. Its exit status is that of this command.""",
    "diff": """\
Exit codes: 0 nothing changed; 1 some cell did; 2 the input is wrong;
3 no cell can be compared.""",
    "analyze": """\
Exit codes: 0 the core was read, at least in part; 2 the file is no core;
3 the host or engine failed.""",
}
"""The text below the flags."""
MORE: Final = {
    **dict.fromkeys(("plan", "render", "build", "run", "save", "load", "key"), CELLS),
    "init": """\
init asks nothing and overwrites nothing. Other conditions than `==` go to
--require 'numpy>=2'.""",
    "check": """\
By default check uses environments that need nothing compiled, as few as cover
each pair of a hazard and a Python, a C library or a server.""",
    "bisect": """\
bisect tests both ends of the axis first, with enough trials to tell a race
from none, then halves: at most log2(N) + 3 environments for N values. Values
that are not available are skipped, with the reason.""",
    "analyze": """\
Libraries come from this host by default; a file with another build id than the
crashed one is never used. Environment values are shown if they are no secrets.""",
}
"""The text before these words in `--help-all`."""
AXES: Final = frozenset({"--arch", "--python", "--glibc", "--launcher", "--probe", "--scenario"})
WIDEST: Final = 100


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help with one entry for all axis flags, whose values `crashmatrix plan` lists."""

    whole: ClassVar[bool] = False
    """Whether every flag is explained, or of some commands the everyday ones."""

    def __init__(self, prog: str) -> None:
        width = min(WIDEST, shutil.get_terminal_size().columns) - 2
        super().__init__(prog, max_help_position=24, width=width)
        self._everyday = None if self.whole else EVERYDAY.get(prog.rpartition(" ")[2])

    def add_arguments(self, actions: Iterable[argparse.Action]) -> None:
        """The flags of a group, those of the standard axes in one entry."""
        actions = [action for action in actions if self._explains(action)]
        axes = [action for action in actions if AXES.intersection(action.option_strings)]
        if axes:
            names = ", ".join(action.option_strings[0] for action in axes)
            self._add_item(lambda: f"  {names} VALUE[,VALUE]\n", [])
        super().add_arguments(action for action in actions if action not in axes)

    def _explains(self, action: argparse.Action) -> bool:
        """An argument without a dash is always explained."""
        flags, everyday = action.option_strings, self._everyday
        return everyday is None or not flags or not (everyday | AXES).isdisjoint(flags)


class WholeFormatter(Formatter):
    """Help with every flag."""

    whole = True


class HelpAll(argparse.Action):
    """The flag that prints the help with every flag, and ends the program."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Print it."""
        name = parser.prog.rpartition(" ")[2]
        parser.formatter_class = WholeFormatter
        parser.epilog = whole_notes(name)
        parser.print_help()
        parser.exit()


def whole_notes(name: str) -> str:
    """The text below all flags of a command."""
    return "\n\n".join(words for words in (MORE.get(name), NOTES.get(name)) if words)


def add_help_all(parser: argparse.ArgumentParser, name: str, words: str) -> None:
    """`--help-all`, where `--help` does not explain every flag, and says so at its end.

    `words` are those by which the command is called.
    """
    if name in EVERYDAY:
        parser.add_argument("--help-all", action=HelpAll, nargs=0, help="explain every flag")
        rest = f"{words} --help-all explains every flag."
        parser.epilog = f"{NOTES[name]}\n{rest}" if name in NOTES else rest
