import ctypes
import os
import sys
import threading
import time
import types

NAMES = []
EXTENSIONS = []

# include use

libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_void_p
PAGE, WORD = 4096, 8
M_MMAP_THRESHOLD = -3
LARGE = 1 << 20  # malloc() maps so much, and realloc() moves it: what a reader still has is unmapped
ended = threading.Event()
started = threading.Semaphore(0)
LONGEST = 15.0  # seconds; the readers take the processors from an import, which would not end in time
NAME = b"CRASHMATRIX_NOT_THERE"
NAMES_SORTED = 64  # some 200 comparisons, so as many reads of the environment


def is_full(variables):
    """Whether the array with so many variables fills its pages, so that one more does not fit."""

    def pages(size):
        return -(-(((size + WORD + 15) & ~15) + WORD) // PAGE)

    return pages((variables + 1) * WORD) < pages((variables + 2) * WORD)


def fill():
    """Give the process a large environment: an array that the next setenv() copies to a block of its own."""
    libc.mallopt(M_MMAP_THRESHOLD, LARGE // 2)
    have = [b"%s=%s" % item for item in os.environb.items()]
    wanted = LARGE // WORD
    while not is_full(wanted + 1):
        wanted += 1
    more = [b"%d_CRASHMATRIX=1" % number for number in range(wanted - len(have))]
    array = (ctypes.c_char_p * (wanted + 1))(*have, *more, None)
    ctypes.c_void_p.in_dll(libc, "environ").value = ctypes.addressof(array)
    libc.setenv(b"CRASHMATRIX_CHECK", b"1", 1)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap(None, ctypes.c_size_t(PAGE), 3, 0x22, -1, ctypes.c_long(0))
    return array


def read():
    # qsort() compares by getenv(), which finds no name and so says equal: between two reads a thread does not
    # wait for the GIL. The import, which holds it, would change the environment while no thread reads.
    size = len(NAME) + 1
    names = ctypes.create_string_buffer((NAME + b"\0") * NAMES_SORTED)
    started.release()
    end = time.monotonic() + LONGEST
    while not ended.is_set() and time.monotonic() < end:
        libc.qsort(names, ctypes.c_size_t(NAMES_SORTED), ctypes.c_size_t(size), libc.getenv)


kept = fill()
readers = [threading.Thread(target=read) for _ in range(3)]
for reader in readers:
    reader.start()
    started.acquire()
sys.setswitchinterval(1e-5)
try:
    pass  # import
    use(NAMES)
finally:
    ended.set()
    for reader in readers:
        reader.join()
