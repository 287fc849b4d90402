import gc
import sys
import types

pass  # import

NAMES = []
EXTENSIONS = []

# include use


class Late:
    def __init__(self):
        self.itself = self
        self.made = use(NAMES)

    def __del__(self):
        gc.collect()
        self.made.clear()
        gc.collect()


late = Late()
for name in NAMES:
    sys.modules[name] = sys.modules.pop(name)
gc.set_threshold(1)
