"""Writes arrays as NumPy does, in every number type and layout that samples may have, and a model that returns its input.

Usage: numpy_files.py DIRECTORY MODEL    Prints [{"name", "samples", "expected"}], file names in the directory.
"""

import json
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

TYPES = ["?", "i1", "u1", "<i2", ">i2", "<u2", "<i4", ">u4", "<i8", ">i8", "<u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]
FEATURES = 6


def values_of(dtype):
    """Four samples that reach the ends of the type, up to the whole numbers that float32 holds exactly."""
    rng = np.random.default_rng(1)
    if dtype.kind == "b":
        return rng.integers(0, 2, (4, FEATURES)).astype(dtype)
    if dtype.kind == "f":
        # Exact in float16.
        return (rng.integers(-2048, 2049, (4, FEATURES)) / 64).astype(dtype)
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -(2**24)), min(limits.max, 2**24)
    values = rng.integers(low, high, (4, FEATURES), endpoint=True).astype(dtype)
    values[0, 0], values[-1, -1] = low, high
    return values


def main(directory, model_path):
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", FEATURES])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", [value("x")], [value("y")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=10), model_path)

    files = []

    def add(name, ending, values, save):
        samples, expected = f"numpy-{len(files)}.{ending}", f"numpy-{len(files)}.expected.npz"
        save(os.path.join(directory, samples))
        np.savez(os.path.join(directory, expected), y=values.astype(np.float32))
        files.append({"name": name, "samples": samples, "expected": expected})

    for text in TYPES:
        values = values_of(np.dtype(text))
        order = "big-endian " if text.startswith(">") else ""
        add(f"NumPy .npy of {order}{values.dtype.name}", "npy", values, lambda path: np.save(path, values))
    values = values_of(np.dtype("<f4"))
    add("NumPy .npy in column-major order", "npy", values, lambda path: np.save(path, np.asfortranarray(values)))
    add("NumPy .npz", "npz", values, lambda path: np.savez(path, x=values, y=np.arange(4)))
    add("NumPy compressed .npz", "npz", values, lambda path: np.savez_compressed(path, x=values, y=np.arange(4)))
    json.dump(files, sys.stdout)


main(*sys.argv[1:])
