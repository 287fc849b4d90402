"""The first inputs of `nox -s fuzz`, which reads a hundred thousand."""

import pytest

from tests.fuzz.debug import fuzz_debug
from tests.fuzz.reading import Fuzzer, fuzz

INPUTS = 300


@pytest.mark.parametrize("first", range(0, 5 * INPUTS, INPUTS))
def test_no_damage_lets_anything_but_our_errors_out(first: int) -> None:
    outcomes = fuzz(first, INPUTS)
    assert outcomes.total() == INPUTS
    assert min(outcomes["refused"], outcomes["partial"], outcomes["whole"]) > 0


def test_no_damaged_debug_file_does_either() -> None:
    outcomes = fuzz_debug(0, 150)
    assert outcomes.total() == 150
    assert min(outcomes[name] for name in ("named", "partial", "link out refused")) > 0


def test_an_error_that_is_not_ours_is_named_by_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_self: Fuzzer, seed: int) -> str:
        raise IndexError(seed)

    monkeypatch.setattr(Fuzzer, "read", wrong)
    with pytest.raises(AssertionError, match="seed 7: IndexError"):
        fuzz(7, 1)
