import sys
import types

pass  # import

NAMES = []
EXTENSIONS = []

# include use

made = use(NAMES)
