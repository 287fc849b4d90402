"""Crashes of published packages and of CPython itself, one a function; the axis `bug` names it.

docs/recipes.md says where each is told. Some hand a pointer to nothing to a library, as a program does that
has freed something too early.
"""

import ctypes
import os
import sys


def dangling(count=1000, kind=ctypes.c_double):
    """An array of numpy over memory that is not there."""
    import numpy as np

    return np.ctypeslib.as_array((kind * count).from_address(4096 * 3))


def nested(depth=1000000):
    value = []
    for _ in range(depth):
        value = [value]
    return value


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


def ujson_indent():
    import ujson

    ujson.dumps([[[[[1]]]]], indent=2**31 - 1)


def orjson_nested():
    import orjson

    orjson.loads("[" * 10**6 + "]" * 10**6)


def arrow_nonzero():
    import pyarrow as pa
    import pyarrow.compute as pc

    pc.indices_nonzero(pa.chunked_array([], type=pa.bool_()))


def _arrow(kind, count=1000):
    import pyarrow as pa

    return pa.Array.from_buffers(kind, count, [None, pa.foreign_buffer(4096 * 3, 8 * count)])


def arrow_sum():
    import pyarrow as pa
    import pyarrow.compute as pc

    pc.sum(_arrow(pa.float64()))


def arrow_sort():
    import pyarrow as pa
    import pyarrow.compute as pc

    pc.sort_indices(_arrow(pa.int64()))


def arrow_add():
    import pyarrow as pa
    import pyarrow.compute as pc

    pc.add(_arrow(pa.int64()), 1)


def arrow_cast():
    import pyarrow as pa

    _arrow(pa.int64()).cast(pa.string())


def arrow_unique():
    import pyarrow as pa

    _arrow(pa.int64()).unique()


def arrow_bytes():
    import pyarrow as pa

    pa.foreign_buffer(4096 * 3, 1000).to_pybytes()


def numpy_dispatcher():
    import numpy as np

    np._core._multiarray_umath._ArrayFunctionDispatcher()


def numpy_sum():
    dangling().sum()


def numpy_sort():
    import numpy as np

    np.argsort(dangling())


def numpy_dot():
    import numpy as np

    a = dangling(10000).reshape(100, 100)
    np.dot(a, np.ones((100, 100)))


def numpy_copy():
    dangling()[::2].copy()


def scipy_matvec():
    _bad_sparse() @ __import__("numpy").ones(3)


def scipy_dense():
    _bad_sparse().toarray()


def scipy_matmat():
    bad = _bad_sparse()
    bad @ bad


def _bad_sparse():
    import numpy as np
    import scipy.sparse as sparse

    bad = sparse.csr_matrix((3, 3))
    bad.data, bad.indices = np.ones(1), np.array([1 << 30], dtype=np.int32)
    bad.indptr = np.array([0, 1, 1, 1], dtype=np.int32)
    return bad


def scipy_fft():
    import scipy.fft

    scipy.fft.fft(dangling())


def scipy_label():
    import scipy.ndimage

    scipy.ndimage.gaussian_filter(dangling(10000).reshape(100, 100), 2)


def scipy_tree():
    import scipy.spatial

    scipy.spatial.cKDTree(dangling(1000).reshape(500, 2), balanced_tree=False).query([[0, 0]])


def yaml_nested():
    import yaml

    yaml.load("[" * 100000 + "]" * 100000, Loader=yaml.CSafeLoader)


def polars_nested():
    import polars as pl

    expression = pl.lit(1)
    for _ in range(100000):
        expression = expression + 1
    pl.select(expression)


def cffi_string():
    import cffi

    ffi = cffi.FFI()
    ffi.string(ffi.cast("char *", 8))


def cffi_read():
    import cffi

    cffi.FFI().cast("int *", 8)[0]


def openssl_bignum():
    from cryptography.hazmat.bindings._rust import _openssl

    _openssl.lib.BN_free(_openssl.ffi.cast("BIGNUM *", 0x1230))


def openssl_digest():
    from cryptography.hazmat.bindings._rust import _openssl

    _openssl.lib.EVP_PKEY_size(_openssl.ffi.cast("EVP_PKEY *", 0x1230)) if hasattr(
        _openssl.lib, "EVP_PKEY_size"
    ) else _openssl.lib.EVP_PKEY_id(_openssl.ffi.cast("EVP_PKEY *", 0x1230))


def openssl_x509():
    from cryptography.hazmat.bindings._rust import _openssl

    _openssl.lib.X509_free(_openssl.ffi.cast("X509 *", 0x1230))


def tokenizers_nested():
    from tokenizers import normalizers

    value = normalizers.Lowercase()
    for _ in range(200000):
        value = normalizers.Sequence([value])
    repr(value)


def zmq_context():
    import zmq

    zmq.Context.shadow(4096 * 3).socket(zmq.REQ)


def faiss_norm():
    import faiss

    faiss.fvec_norm_L2sqr(faiss.cast_integer_to_float_ptr(4096 * 3), 100)


def faiss_search():
    import faiss
    import numpy as np

    index = faiss.IndexFlatL2(4)
    index.search_c(10, faiss.cast_integer_to_float_ptr(4096 * 3), 1, faiss.swig_ptr(np.zeros(10, "float32")),
                   faiss.swig_ptr(np.zeros(10, "int64")))  # fmt: skip


def lxml_nested():
    import copy

    from lxml import etree

    root = node = etree.Element("a")
    for _ in range(300000):
        node = etree.SubElement(node, "a")
    copy.deepcopy(root)


def grpc_fork():
    from grpc._cython import cygrpc

    cygrpc.CompletionQueue()
    if not os.fork():
        cygrpc.CompletionQueue()
        os._exit(0)
    os.wait()


if __name__ == "__main__":
    globals()[os.environ["CRASHMATRIX_BUG"] if len(sys.argv) < 2 else sys.argv[1]]()
