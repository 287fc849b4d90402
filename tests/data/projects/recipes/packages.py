"""Crashes of packages, one a function. Some hand a pointer to nothing to a library, as a program does that has freed too early."""

import ctypes


def dangling(count=1000, kind=ctypes.c_double):
    """An array of numpy over memory that is not there."""
    import numpy as np

    return np.ctypeslib.as_array((kind * count).from_address(4096 * 3))


def nested(depth=1000000):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def ujson_indent():
    import ujson

    ujson.dumps([[[[[1]]]]], indent=2**30)


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
