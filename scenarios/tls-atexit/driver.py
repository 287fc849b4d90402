"""Touch the probe's thread-local value, and have Python touch it again when the interpreter ends.

Plain Python runs this file to its end; uWSGI loads it and calls `application` for a request.
"""

import atexit
import os

import tlsprobe

# The first touch is what registers the value's clean-up. Where glibc has no TLS destructors of its own
# (before 2.18), it decides whether that is registered before or after uWSGI's own function.
if os.environ["CRASHMATRIX_DEFER"] == "none":
    tlsprobe.touch()
atexit.register(tlsprobe.atexit_handler)

if os.environ.get("CRASHMATRIX_MITIGATION") == "worker-exit":
    import uwsgi  # there in a uWSGI worker only

    def leave():
        """End the worker here: uWSGI calls this before it finalizes Python."""
        os.write(2, b"tlsprobe: the worker leaves by _exit\n")
        os._exit(30)

    uwsgi.atexit = leave


def application(environ, start_response):
    """Answer 200 after a touch in the thread that serves the request, which is the main thread."""
    uses = tlsprobe.touch()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"touched %d times\n" % uses]
