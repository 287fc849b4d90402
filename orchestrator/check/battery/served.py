import sys
import types

pass  # import

NAMES = []
EXTENSIONS = []

# include use

made = use(NAMES)


def application(environ, start_response):
    made.extend(use(NAMES))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"used\n"]
