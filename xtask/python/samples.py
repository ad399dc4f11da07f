"""Samples as NumPy has them: an .npz archive (array x) or an IDX file (.gz)."""

import gzip

import numpy as np


def load(path):
    """The samples of a file, [samples, ...], as they are stored."""
    if path.endswith(".npz"):
        return np.load(path)["x"]
    # IDX: two zero bytes, element type (8: unsigned bytes), number of dimensions, sizes as big-endian 32-bit integers, elements.
    data = gzip.open(path).read()
    if data[:3] != b"\0\0\x08":
        raise ValueError(f"{path}: not an IDX file of unsigned bytes")
    shape = np.frombuffer(data, ">u4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def for_model(path, model):
    """The samples as float32 in the shape that a model's only input declares, with its name."""
    (graph_input,) = model.graph.input
    sample = [dim.dim_value for dim in graph_input.type.tensor_type.shape.dim][1:]
    return graph_input.name, load(path).astype(np.float32).reshape([-1, *sample])
