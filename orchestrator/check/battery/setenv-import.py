import ctypes
import sys
import threading

libc = ctypes.CDLL(None)
ended = threading.Event()


def grow():
    libc.malloc.restype = ctypes.c_void_p
    for number in range(20000):
        if ended.is_set():
            break
        libc.setenv(b"CRASHMATRIX_CHECK_%d" % number, b"1", 1)
        # What other code does with the heap: the array cannot grow in its place, and freed memory is used.
        libc.malloc(24)
        size = ctypes.c_size_t(8 * (number + 32))
        block = ctypes.c_void_p(libc.malloc(size))
        libc.memset(block, 0x41, size)
        libc.free(block)


thread = threading.Thread(target=grow)
thread.start()
sys.setswitchinterval(1e-5)
try:
    pass  # import
finally:
    ended.set()
    thread.join()
