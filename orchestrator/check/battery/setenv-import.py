import ctypes
import sys
import threading

libc = ctypes.CDLL(None)
ended = threading.Event()


def grow():
    number = 0
    while not ended.is_set():
        number += 1
        libc.setenv(b"CRASHMATRIX_CHECK_%d" % (number % 20000), b"1", 1)


thread = threading.Thread(target=grow)
thread.start()
sys.setswitchinterval(1e-5)
try:
    pass  # import
finally:
    ended.set()
    thread.join()
