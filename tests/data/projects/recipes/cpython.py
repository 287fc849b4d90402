"""Crashes of CPython alone, one a function. Some call a function of C with what it must not get, as a bug in a binding does."""

import ctypes
import sys


def python_string_at():
    ctypes.string_at(0)


def python_memset():
    ctypes.memset(8, 0, 100)


def python_filter():
    chain = filter(None, [])
    for _ in range(1000000):
        chain = filter(None, chain)
    next(chain, None)


def python_chain():
    import itertools

    chain = iter([])
    for _ in range(1000000):
        chain = itertools.chain(chain, [])
    next(chain, None)


def python_map():
    chain = iter([1])
    for _ in range(1000000):
        chain = map(abs, chain)
    next(chain, None)


def python_islice():
    import itertools

    chain = iter([1])
    for _ in range(1000000):
        chain = itertools.islice(chain, 5)
    next(chain, None)


def python_code():
    def f():
        return 1

    code = f.__code__
    junk = bytes([100, 255]) * 50
    exec(code.replace(co_code=junk + code.co_code, co_stacksize=1))


def python_getattr():
    sys.setrecursionlimit(1 << 30)

    class Endless:
        def __getattr__(self, name):
            return getattr(self, name + "x")

    Endless().start


def python_elementtree():
    import copy
    import xml.etree.ElementTree as tree

    root = node = tree.Element("a")
    for _ in range(1000000):
        node = tree.SubElement(node, "a")
    copy.deepcopy(root)


def python_free():
    ctypes.CDLL(None).free(ctypes.c_void_p(0x1230))


def python_double_free():
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    block = ctypes.c_void_p(libc.malloc(3000))
    other = libc.malloc(3000)
    libc.free(block)
    libc.free(block)
    return other


def python_fclose():
    ctypes.CDLL(None).fclose(ctypes.c_void_p(8))


def python_mutex():
    ctypes.CDLL(None).pthread_mutex_lock(ctypes.c_void_p(8))


def python_decref():
    ctypes.pythonapi.PyObject_Repr(ctypes.c_void_p(0x1230))


def python_fatal():
    ctypes.pythonapi.Py_FatalError(b"as told")


def python_call_null():
    ctypes.CFUNCTYPE(None)(0x1230)()
