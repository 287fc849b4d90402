"""A request that crashed the server."""

import orjson

DEPTH = 200_000

print("orjson", orjson.__version__)
try:
    orjson.loads("[" * DEPTH + "]" * DEPTH)
except orjson.JSONDecodeError as error:
    print("refused:", error)
