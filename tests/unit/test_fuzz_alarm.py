"""The alarm of the fuzzers: what runs or waits without end is ended, whatever the program catches."""

from contextlib import suppress

import pytest

from tests.fuzz.alarm import LateError, alarm


def test_what_takes_too_much_of_the_processor_is_ended_though_the_program_catches_os_errors() -> None:
    with pytest.raises(LateError, match="1 s of processor time"):
        run_on()


def run_on() -> None:
    with alarm(1), suppress(OSError, Exception):
        while True:
            pass
