"""Writes int8 dense layers, float32 in and out and uint8 in between, and samples for these and for other models.

Usage: dense_models.py DIRECTORY KxN|MODEL.onnx [KxN|MODEL.onnx ...]
dense-KxN.onnx quantizes x [N, K] to uint8, multiplies by int8 weights with a scale for each of the N channels, adds an int32 bias, and
quantizes the result to uint8 and back. NAME.npy for NAME.onnx holds 256 samples, uniform over what the model quantizes its input to.
"""

import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SAMPLES = 256
X_SCALE, X_ZERO_POINT = np.float32(0.03), np.uint8(110)


def dense(k, n, rng):
    weights = rng.integers(-127, 128, (k, n)).astype(np.int8)
    scales = rng.uniform(1e-3, 2e-3, n).astype(np.float32)
    # Four standard deviations of the result fill the range.
    deviation = np.sqrt(k) * 73 * 1.5e-3
    constants = {
        "x_scale": X_SCALE,
        "x_zero_point": X_ZERO_POINT,
        "w": weights,
        "w_scale": scales,
        "w_zero_point": np.zeros(n, np.int8),
        "b": rng.integers(-5000, 5001, n).astype(np.int32),
        "b_scale": X_SCALE * scales,
        "b_zero_point": np.zeros(n, np.int32),
        "y_scale": np.float32(deviation / 32),
        "y_zero_point": np.uint8(128),
    }

    def quantized(name, **attributes):
        inputs = [name if name in ("w", "b") else f"{name}_q", f"{name}_scale", f"{name}_zero_point"]
        return helper.make_node("DequantizeLinear", inputs, [f"{name}_real"], f"{name}_dq", **attributes)

    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero_point"], ["x_q"], "x_quantize"),
        quantized("x"),
        quantized("w", axis=1),
        quantized("b", axis=0),
        helper.make_node("Gemm", ["x_real", "w_real", "b_real"], ["y"], "dense"),
        helper.make_node("QuantizeLinear", ["y", "y_scale", "y_zero_point"], ["y_q"], "y_quantize"),
        quantized("y"),
    ]
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", k])],
        [helper.make_tensor_value_info("y_real", TensorProto.FLOAT, ["N", n])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def samples(model, rng):
    graph = model.graph
    x = graph.input[0]
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    quantize = next(node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == x.name)
    scale, zero_point = (constants[name] for name in quantize.input[1:3])
    levels = np.iinfo(zero_point.dtype)
    low, high = ((level - float(zero_point)) * scale for level in (levels.min, levels.max))
    shape = [SAMPLES, *(dim.dim_value for dim in x.type.tensor_type.shape.dim[1:])]
    return rng.uniform(low, high, shape).astype(np.float32)


def main(directory, names):
    for name in names:
        rng = np.random.default_rng(0)
        if name.endswith(".onnx"):
            path, model = os.path.splitext(name)[0], onnx.load(name)
        else:
            path, model = os.path.join(directory, f"dense-{name}"), dense(*map(int, name.split("x")), rng)
            onnx.save(model, f"{path}.onnx")
        np.save(f"{path}.npy", samples(model, rng))


main(sys.argv[1], sys.argv[2:])
