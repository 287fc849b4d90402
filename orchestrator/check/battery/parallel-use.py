import sys
import threading
import time
import types

pass  # import

NAMES = []
EXTENSIONS = []

# include use

start = threading.Barrier(4)
end = time.monotonic() + 1


def work():
    start.wait()
    while time.monotonic() < end:
        use(NAMES)


sys.setswitchinterval(1e-5)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
