"""Notes that are said of several threads alike."""

from orchestrator.crash.notes import folded

ENDS = "its stack ends early (no further return address was found on the stack)"


def test_equal_notes_over_threads_are_one() -> None:
    notes = ["first", *(f"thread {tid}: {ENDS}" for tid in range(7, 12)), "thread 3: other", "first"]
    assert folded(notes) == ["first", f"threads 7, 8, 9 and 2 more: {ENDS}", "thread 3: other"]


def test_notes_that_differ_in_numbers_alone_are_one_and_say_whose_the_numbers_are() -> None:
    notes = [f"thread {tid}: frames from #{tid} on are guesses: {tid:#x} is no code" for tid in (5, 6)]
    assert folded(notes) == [
        "threads 5, 6: frames from #5 on are guesses: 0x5 is no code (the numbers are those of thread 5)"
    ]
