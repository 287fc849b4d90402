import atexit
import sys
import types

NAMES = []
EXTENSIONS = []

# include use

made = []
atexit.register(lambda: made.extend(use(NAMES)))

pass  # import
