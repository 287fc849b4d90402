import faulthandler
import os
import signal
import sys
import types

NAMES = []
EXTENSIONS = []

# include use

faulthandler.enable()
signal.signal(signal.SIGURG, lambda *_: None)
parent = os.getpid()
child = os.fork()
if child == 0:
    signal.alarm(40)
    while os.getppid() == parent:
        os.kill(parent, signal.SIGURG)
    os._exit(0)

pass  # import

use(NAMES)
