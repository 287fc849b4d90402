"""A client sent this, and the server was gone."""

import orjson

DEPTH = 200_000

print("orjson", orjson.__version__)
try:
    orjson.loads("[" * DEPTH + "]" * DEPTH)
except orjson.JSONDecodeError as error:
    print("refused:", error)
