"""Have the probe call CPython from a C atexit handler, with faulthandler on as under pytest.

Plain Python runs this file to its end; uWSGI loads it and calls `application` for a request.
"""

import atexit
import ctypes
import faulthandler
import importlib.util
import os
import signal

CALL = os.environ["CRASHMATRIX_CALL"]
CALLER = os.environ["CRASHMATRIX_CALLER"]
MITIGATION = os.environ["CRASHMATRIX_MITIGATION"]
REGISTERED = os.environ["CRASHMATRIX_REGISTERED"]

probe = ctypes.CDLL(importlib.util.find_spec("lateprobe").origin)


def on_signal(number, frame):
    """The Python handler that a native library saves, and installs again when it is taken down."""
    os.write(2, b"lateprobe: the Python handler ran\n")


def set_signal():
    """The Python atexit callback of `signal-in-atexit`."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    os.write(2, b"lateprobe: signal-in-atexit returned\n")


def arm():
    """Prepare the call; the probe notes the handlers of both signals as they are before faulthandler."""
    signal.signal(signal.SIGUSR2, on_signal)
    if CALL == "signal-in-atexit":
        atexit.register(set_signal)
    else:
        # uWSGI is told to stop by a signal, which any thread may get that does not block it. The probe's own
        # thread, which inherits this mask, would then end the process and wait for itself.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        probe.late_arm(CALL.encode(), CALLER.encode(), MITIGATION.encode())
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if MITIGATION != "no-faulthandler":
        faulthandler.enable()


def application(environ, start_response):
    """Answer 200; where it is asked for, arm the probe no sooner than here."""
    if REGISTERED == "request":
        arm()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"served\n"]


if REGISTERED == "load":
    arm()
