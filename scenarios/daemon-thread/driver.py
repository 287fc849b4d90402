"""Have a native thread take the GIL in a window that only the interpreter's end opens.

Plain Python runs this file to its end; uWSGI loads it and calls `application` for a request.
"""

import atexit
import os
import sys

import latethread


class OpensWindow:
    """Lies on `sys`, which is taken down last: by then the runtime counts as finalizing."""

    def __init__(self, open_window):
        """Keep the function: no global name is left by then."""
        self.open_window = open_window

    def __del__(self):
        """Open the window, while other threads may run."""
        self.open_window()


if os.environ["CRASHMATRIX_WINDOW"] == "after":
    # Now, not in the request: uWSGI registers its own function, which finalizes, when this is loaded.
    latethread.at_exit()


def prepare():
    """Start the thread, which then waits without the GIL."""
    latethread.start()
    if os.environ["CRASHMATRIX_MITIGATION"] == "join":
        # Python's own atexit callbacks run before the interpreter counts as finalizing.
        atexit.register(latethread.open_window)
    elif os.environ["CRASHMATRIX_WINDOW"] == "during":
        sys.opens_window = OpensWindow(latethread.open_window)


def application(environ, start_response):
    """Answer 200 once the thread waits."""
    prepare()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the thread waits\n"]


if __name__ == "__main__":
    prepare()
    print("latethread: main ends", flush=True)
