import sys
import types

pass  # import

NAMES = []
EXTENSIONS = []

# include use

made = use(NAMES)
roots = {name.partition(".")[0] for name in NAMES}
for name in list(sys.modules):
    if name.partition(".")[0] in roots:
        del sys.modules[name]
