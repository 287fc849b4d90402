import gc
import importlib
import sys
import types

pass  # import

NAMES = []
EXTENSIONS = []

# include use

use(NAMES)
roots = {name.partition(".")[0] for name in NAMES}
for name in list(sys.modules):
    if name.partition(".")[0] in roots:
        del sys.modules[name]
for root in roots:
    globals().pop(root, None)
gc.collect()
try:
    for name in NAMES:
        importlib.import_module(name)
except ImportError as error:
    print("refused:", " ".join(str(error).split()))
else:
    use(NAMES)
