"""Touch the probe's thread-local value, and have Python touch it again when the interpreter ends.

Plain Python runs this file to its end; uWSGI loads it and calls `application` for a request.
"""

import atexit

import tlsprobe

# While the server loads this file: where glibc has no TLS destructors of its own (before 2.18), it matters
# that the value's clean-up is registered before uWSGI's.
tlsprobe.touch()
atexit.register(tlsprobe.atexit_handler)


def application(environ, start_response):
    """Answer 200 after one more touch, in the thread that serves the request."""
    uses = tlsprobe.touch()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"touched %d times\n" % uses]
