import sys
import threading
import time
import types

pass  # import

NAMES = []
EXTENSIONS = []

# include use


def work():
    while True:
        use(NAMES)


for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
