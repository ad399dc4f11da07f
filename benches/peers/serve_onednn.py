"""Runs a bare dense layer in oneDNN on one thread, as bursts.py says: uint8 in and out, int8 weights with a scale for each channel, bias.

The C interface of oneDNN 3 is called by ctypes; numbers of types and arguments are those of its dnnl_types.h.
"""

import ctypes
import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"
# Memory in pages of the usual size, as every other side has it.
os.environ["NUMPY_MADVISE_HUGEPAGE"] = "0"

import numpy as np

import bursts

dnnl = ctypes.CDLL(os.path.join(sys.prefix, "lib", "libdnnl.so.3"))
dnnl.dnnl_primitive_desc_query_md.restype = ctypes.c_void_p
dnnl.dnnl_memory_desc_get_size.restype = ctypes.c_size_t
TYPES = {np.dtype(np.float32): 3, np.dtype(np.int32): 4, np.dtype(np.int8): 5, np.dtype(np.uint8): 6}
ANY_FORMAT, WEIGHTS_MD = 1, 131
SRC, DST, WEIGHTS, BIAS, SCALES, ZERO_POINTS = 1, 17, 33, 41, 4096, 8192


class Argument(ctypes.Structure):
    _fields_ = [("number", ctypes.c_int), ("memory", ctypes.c_void_p)]


def made(function, *arguments):
    """What a function of oneDNN puts behind its first pointer."""
    handle = ctypes.c_void_p()
    status = function(ctypes.byref(handle), *arguments)
    if status != 0:
        raise RuntimeError(f"{function.__name__} answers {status}")
    return handle


def done(status):
    if status != 0:
        raise RuntimeError(f"oneDNN answers {status}")


def plain(shape, data_type, strides=None):
    """The description of an array in row-major order."""
    strides = strides or [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
    dims = (ctypes.c_int64 * len(shape))(*shape), (ctypes.c_int64 * len(shape))(*strides)
    return made(dnnl.dnnl_memory_desc_create_with_strides, len(shape), dims[0], data_type, dims[1])


class Layer:
    def __init__(self, k, n, rows):
        rng = np.random.default_rng(0)
        self.engine = made(dnnl.dnnl_engine_create, 1, ctypes.c_size_t(0))
        self.stream = made(dnnl.dnnl_stream_create, self.engine, 1)
        x = rng.integers(0, 256, (rows, k), np.uint8)
        w = rng.integers(-127, 128, (k, n)).astype(np.int8)
        bias = rng.integers(-9, 10, (1, n)).astype(np.float32)
        scales = rng.uniform(0.5, 1, n).astype(np.float32)
        one, steps = np.float32([1]), np.float32([np.sqrt(k) * 500])
        zeros = {SRC: np.int32([100]), DST: np.int32([128])}
        self.kept = []

        attributes = made(dnnl.dnnl_primitive_attr_create)
        for argument, mask in [(SRC, 0), (WEIGHTS, 2), (DST, 0)]:
            done(dnnl.dnnl_primitive_attr_set_scales_mask(attributes, argument, mask))
        for argument in zeros:
            done(dnnl.dnnl_primitive_attr_set_zero_points_mask(attributes, argument, 0))
        any_order = (ctypes.c_int64 * 2)(k, n)
        weights = made(dnnl.dnnl_memory_desc_create_with_tag, 2, any_order, TYPES[w.dtype], ANY_FORMAT)
        described = [plain(x.shape, TYPES[x.dtype]), weights, plain(bias.shape, 3), plain((rows, n), 6)]
        layer = made(dnnl.dnnl_matmul_primitive_desc_create, self.engine, *described, attributes)
        packed = ctypes.c_void_p(dnnl.dnnl_primitive_desc_query_md(layer, WEIGHTS_MD, 0))
        room = np.empty(dnnl.dnnl_memory_desc_get_size(packed) + 64, np.uint8)
        start = -room.ctypes.data % 64
        inside = self.memory(packed, room[start:])
        order = made(dnnl.dnnl_reorder_primitive_desc_create, plain(w.shape, 5), self.engine, packed, self.engine, None)
        reorder = made(dnnl.dnnl_primitive_create, order)
        self.execute(reorder, [(SRC, self.array(w)), (DST, inside)])

        self.y = np.zeros((rows, n), np.uint8)
        self.layer = made(dnnl.dnnl_primitive_create, layer)
        given = [(SRC, self.array(x)), (WEIGHTS, inside), (BIAS, self.array(bias)), (DST, self.array(self.y))]
        given += [(SCALES | SRC, self.array(one)), (SCALES | WEIGHTS, self.array(scales)), (SCALES | DST, self.array(steps))]
        given += [(ZERO_POINTS | argument, self.array(zero)) for argument, zero in zeros.items()]
        self.given = (Argument * len(given))(*[Argument(number, memory.value) for number, memory in given])
        self.run()
        # What is timed computes what it should.
        rows = slice(0, min(rows, 4))
        real = ((x[rows].astype(np.int64) - 100) @ w.astype(np.int64)) * scales + bias
        expected = np.clip(np.rint(real / steps) + 128, 0, 255)
        if np.abs(self.y[rows] - expected).max() > 1:
            raise RuntimeError("oneDNN computes something else")

    def memory(self, description, array):
        self.kept.append(array)
        return made(dnnl.dnnl_memory_create, description, self.engine, ctypes.c_void_p(array.ctypes.data))

    def array(self, array):
        return self.memory(plain(array.shape, TYPES[array.dtype]), array)

    def execute(self, primitive, given):
        arguments = (Argument * len(given))(*[Argument(number, memory.value) for number, memory in given])
        done(dnnl.dnnl_primitive_execute(primitive, self.stream, len(given), arguments))
        done(dnnl.dnnl_stream_wait(self.stream))

    def run(self):
        done(dnnl.dnnl_primitive_execute(self.layer, self.stream, len(self.given), self.given))
        done(dnnl.dnnl_stream_wait(self.stream))


bursts.serve(lambda k, n, batch: Layer(k, n, batch).run)
