"""How well signatures tell bugs apart: pairs of crashes of one bug with one key, and of different bugs.

Beside it the rule of ClusterFuzz on the same stacks: the first three frames after its list of ignored ones
(src/clusterfuzz/stacktraces/__init__.py: add_frame_on_match, ignore_stack_frame, _filter_stack_frame).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from orchestrator.model import Crash, NativeFrame

IGNORED: Final = Path(__file__).with_name("clusterfuzz.txt")
MAX_FRAMES: Final = 3
"""MAX_CRASH_STATE_FRAMES."""
SHORTEST: Final = 3
_STRUCTURE: Final = ("non-virtual thunk to ", "(anonymous namespace)::")
_HEAD: Final = re.compile(r"(.+?)[(\[]")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One crash of a bug: the environment, its signature, and ClusterFuzz's state of the same stack."""

    bug: str
    environment: str
    signature: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pairs of crashes of one bug and of different bugs, each with those that share a key."""

    same: int
    same_shared: int
    different: int
    different_shared: int


def count_pairs(keys: Sequence[tuple[str, str]]) -> Pairs:
    """The pairs among crashes, each given by its bug and its key."""
    bugs, shared = Counter(bug for bug, _ in keys), Counter(keys)
    by_key = Counter(key for _, key in keys)
    same, same_shared = (sum(map(_choose, counts.values())) for counts in (bugs, shared))
    all_shared = sum(map(_choose, by_key.values()))
    return Pairs(
        same=same,
        same_shared=same_shared,
        different=_choose(len(keys)) - same,
        different_shared=all_shared - same_shared,
    )


def confused(seen: Sequence[Seen], key: str) -> Iterator[tuple[str, list[str]]]:
    """The keys that several bugs have, with these."""
    bugs = defaultdict(set)
    for item in seen:
        bugs[getattr(item, key)].add(item.bug)
    return ((text, sorted(names)) for text, names in sorted(bugs.items()) if len(names) > 1)


def clusterfuzz_state(crash: Crash) -> str:
    """ClusterFuzz's state of a crash: its frames from the innermost of the crashed thread on."""
    ignored = re.compile("|".join(f"({line})" for line in _ignored()))
    thread = crash.crashed_thread
    kept: list[str] = []
    for frame in thread.native if thread else ():
        text = _text(frame)
        if len(kept) < MAX_FRAMES and len(text) >= SHORTEST and not ignored.match(text):
            kept.append(_filtered(frame))
    return f"{crash.signal.delivered or crash.signal.name} {' / '.join(kept)}"


def _ignored() -> list[str]:
    lines = IGNORED.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _text(frame: NativeFrame) -> str:
    """A frame as a symbolizer of sanitizers prints it behind its address."""
    module = PurePosixPath(frame.module).name if frame.module else "<unknown module>"
    if frame.function is None:
        return f"{frame.module or module}+{frame.offset or 0:#x}"
    return f"{frame.function} {frame.file}:{frame.line}" if frame.file else f"{frame.function} ({module})"


def _filtered(frame: NativeFrame) -> str:
    if frame.function is None:
        return _text(frame)
    text = frame.function
    for part in _STRUCTURE:
        text = text.replace(part, "")
    head = _HEAD.match(text)
    return head[1].strip() if head else text.strip().split(" ")[0]


def _choose(count: int) -> int:
    return count * (count - 1) // 2
