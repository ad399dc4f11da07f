"""Writes what every side calibrates: a CNN beside the shipped MLP, and samples for both.

Usage: inputs.py SAMPLES DIRECTORY IMAGES [IMAGES ...]
IMAGES are IDX files (.gz) of bytes, 28 x 28. Writes cnn.onnx, cnn.npy [SAMPLES, 1, 28, 28] from 0 to 1 and mlp.npy [SAMPLES, 28, 28] from 0 to 255.
"""

import gzip
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def images(path):
    data = gzip.open(path).read()
    # IDX: two zero bytes, element type (8: unsigned bytes), number of dimensions, sizes as big-endian 32-bit integers, elements.
    if data[:4] != b"\0\0\x08\x03":
        raise ValueError(f"{path}: not an IDX file of images of bytes")
    return np.frombuffer(data, np.uint8, offset=16).reshape(np.frombuffer(data, ">u4", count=3, offset=4))


def samples(count, paths):
    """The images, repeated until there are enough of them, with noise on the repetitions so that no two are equal."""
    shipped = np.concatenate([images(path) for path in paths]).astype(np.float32)
    repeated = np.resize(shipped, (count, *shipped.shape[1:]))
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 2, repeated[len(shipped) :].shape).astype(np.float32)
    repeated[len(shipped) :] += noise
    return repeated.clip(0, 255)


def cnn():
    """conv3x3x32 - pool - conv3x3x64 - pool - fc128 - fc10, each layer but the last with ReLU, weights drawn after He et al. 2015."""
    rng = np.random.default_rng(0)
    nodes, constants = [], []

    def layer(operator, name, x, shape, **attributes):
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        constants.append(numpy_helper.from_array(rng.normal(0, deviation, shape).astype(np.float32), f"{name}.weight"))
        constants.append(numpy_helper.from_array(np.zeros(shape[0], np.float32), f"{name}.bias"))
        nodes.append(helper.make_node(operator, [x, f"{name}.weight", f"{name}.bias"], [name], name, **attributes))
        return name

    def step(operator, x, **attributes):
        name = f"{x}.{operator.lower()}"
        nodes.append(helper.make_node(operator, [x], [name], name, **attributes))
        return name

    x = "x"
    for name, shape in [("conv1", (32, 1, 3, 3)), ("conv2", (64, 32, 3, 3))]:
        x = step("Relu", layer("Conv", name, x, shape, kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
        x = step("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = step("Relu", layer("Gemm", "fc1", step("Flatten", x), (128, 64 * 7 * 7), transB=1))
    x = layer("Gemm", "fc2", x, (10, 128), transB=1)
    graph = helper.make_graph(
        nodes,
        "cnn",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 28, 28])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["N", 10])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def main(count, directory, paths):
    x = samples(count, paths)
    np.save(os.path.join(directory, "mlp.npy"), x)
    np.save(os.path.join(directory, "cnn.npy"), x[:, np.newaxis] / np.float32(255))
    onnx.save(cnn(), os.path.join(directory, "cnn.onnx"))


main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
