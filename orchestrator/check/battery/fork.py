import os
import signal
import sys
import time
import types

pass  # import

NAMES = []
EXTENSIONS = []

# include use

# include wait

pid = os.fork()
if pid:
    wait(pid)
else:
    use(NAMES)
