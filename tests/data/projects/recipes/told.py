"""Crashes that the issues of CPython and of packages tell of, one a function; bench/recipes/bugs.yaml says where."""

import sys

DEEP = 1 << 30
"""A limit of recursion that no stack reaches."""


def filter_freed():
    chain = filter(None, ())
    for _ in range(1000000):
        chain = filter(None, chain)
    del chain


def starmap_next():
    import itertools

    chain = iter([])
    for _ in range(1000000):
        chain = itertools.starmap(print, chain)
    next(chain, None)


def chain_from_iterable():
    import itertools

    def endless(text):
        return itertools.chain.from_iterable(map(endless, text))

    list(endless("a"))


def ordered_dict_delete():
    from collections import OrderedDict

    class Key:
        def __hash__(self):
            return 1

    class Clearing(Key):
        __hash__ = Key.__hash__

        def __eq__(self, other):
            ordered.clear()
            return True

    ordered = OrderedDict()
    ordered[Key()] = None
    del ordered[Clearing()]


def sqlite_row():
    import sqlite3

    sqlite3.Row(sqlite3.Cursor.__new__(sqlite3.Cursor), ())


def buffer_outlives():
    import io

    class Keeping(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            self.view = memoryview(buffer)
            return len(buffer)

    raw = Keeping()
    reader = io.BufferedReader(raw, 1 << 24)
    reader.read(1)
    view = raw.view
    del reader
    view.tobytes()


def mmap_truncated():
    import mmap
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.truncate(8192)
        area = mmap.mmap(file.fileno(), 8192)
        file.truncate(0)
        area.find(b"x")


def json_dumps():
    import json

    sys.setrecursionlimit(DEEP)
    value = {}
    for _ in range(200000):
        value = {"k": value}
    json.dumps(value)


def json_loads():
    import json

    sys.setrecursionlimit(DEEP)
    json.loads("[" * 1000000)


def pickle_dumps():
    import pickle

    sys.setrecursionlimit(DEEP)
    pickle.dumps(_lists(300000))


def repr_lists():
    sys.setrecursionlimit(DEEP)
    repr(_lists(1000000))


def compare_lists():
    sys.setrecursionlimit(DEEP)
    _lists(1000000) == _lists(1000000)  # noqa: B015


def hash_tuples():
    value = ()
    for _ in range(1000000):
        value = (value,)
    hash(value)


def partial_itself():
    import functools

    sys.setrecursionlimit(DEEP)
    call = functools.partial(print)
    call.__setstate__((call, (), {}, {}))
    call()


def property_freed():
    value = property()
    for _ in range(1000000):
        value = property(value)
    del value


def method_freed():
    import types

    value = print
    for _ in range(1000000):
        value = types.MethodType(value, 1)
    del value


def faulthandler_null():
    import faulthandler

    faulthandler._read_null()


def faulthandler_division():
    import faulthandler

    faulthandler._sigfpe()


def faulthandler_stack():
    import faulthandler

    faulthandler._stack_overflow()


def faulthandler_thread():
    import faulthandler
    import time

    faulthandler._fatal_error_c_thread()
    time.sleep(20)


def numpy_ufunc():
    import numpy as np

    np.empty(1).__array_ufunc__(2.3, 1)


def numpy_flat():
    import numpy as np
    from numpy.core._multiarray_umath import _get_sfloat_dtype

    scaled = _get_sfloat_dtype()
    print((np.array([1.0, 2.0, 3.0]) / 0.5).view(scaled(0.5)).flat[:])


def msgspec_json():
    import msgspec

    sys.setrecursionlimit(DEEP)
    msgspec.json.decode(b"[" * 10**6 + b"]" * 10**6)


def msgspec_skip():
    import msgspec

    class Row(msgspec.Struct):
        x: int = 1

    sys.setrecursionlimit(DEEP)
    msgspec.json.decode(b'{"y":' + b"[" * 10**6 + b"]" * 10**6 + b"}", type=Row)


def msgspec_msgpack():
    import msgspec

    sys.setrecursionlimit(DEEP)
    msgspec.msgpack.decode(b"\x91" * 10**6 + b"\x90")


def libipld_lists():
    import libipld

    libipld.decode_dag_cbor(b"\x81" * 10**6 + b"\x80")


def arrow_slice():
    import pyarrow as pa

    pa.array([b"a", b"b", b"c"], pa.binary(1)).slice(1).cast(pa.binary())


def _lists(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value
