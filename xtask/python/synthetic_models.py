"""Writes small float models with random weights, one for each thing a dense network may contain, and samples for them.

Usage: synthetic_models.py DIRECTORY
Writes NAME.onnx, NAME.calibration.npz and NAME.test.npz. Prints [{"name", "opset", "layers"}], layers being the dense ones.
"""

import json
import os
import sys
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES, HIDDEN, CLASSES = 32, 64, 10


class Network:
    """A chain of nodes; every method appends one and makes its output the current tensor."""

    def __init__(self, name, opset, sample=(FEATURES,)):
        self.name, self.opset, self.sample = name, opset, sample
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))
        self.nodes, self.constants = [], []
        self.current, self.layers = "x", 0

    def constant(self, values, dtype=np.float32):
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, op_type, *others, **attributes):
        """A node on the current tensor and `others`; returns its output."""
        output = f"{op_type.lower()}_{len(self.nodes)}"
        inputs = [self.current, *others]
        self.nodes.append(helper.make_node(op_type, inputs, [output], f"{op_type}_{len(self.nodes)}", **attributes))
        self.current = output
        return output

    def weights(self, inputs, outputs):
        # Channels of very different sizes, as trained networks have them.
        sizes = 2.0 ** self.rng.uniform(-3, 1, outputs)
        return self.rng.standard_normal((inputs, outputs)) * sizes / np.sqrt(inputs)

    def dense(self, inputs, outputs, transposed=True, weights=None, bias=None):
        weights = self.weights(inputs, outputs) if weights is None else weights
        bias = self.rng.standard_normal(outputs) * 0.3 if bias is None else bias
        self.layers += 1
        matrix = np.ascontiguousarray(weights.T if transposed else weights)
        return self.node("Gemm", self.constant(matrix), self.constant(bias), transB=int(transposed))

    def matmul_add(self, inputs, outputs):
        self.layers += 1
        self.node("MatMul", self.constant(self.weights(inputs, outputs)))
        return self.node("Add", self.constant(self.rng.standard_normal(outputs) * 0.3))

    def save(self, directory):
        value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
        inputs, outputs = [value("x", self.sample)], [value(self.current, [CLASSES])]
        graph = helper.make_graph(self.nodes, self.name, inputs, outputs, self.constants)
        # The oldest IR version for which every one of these operator sets is valid.
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, os.path.join(directory, f"{self.name}.onnx"))
        # The test samples reach beyond the calibrated ranges, so that integers saturate.
        for part, count, size in [("calibration", 512, 1.0), ("test", 2048, 1.3)]:
            x = (self.rng.standard_normal((count, *self.sample)) * size).astype(np.float32)
            np.savez(os.path.join(directory, f"{self.name}.{part}.npz"), x=x)
        return {"name": self.name, "opset": self.opset, "layers": self.layers}


def between_layers(name, opset, append):
    """Dense, what `append` adds, dense."""
    network = Network(name, opset)
    network.dense(FEATURES, HIDDEN)
    append(network)
    network.dense(HIDDEN, CLASSES)
    return network


def erf_gelu(network):
    """x/2 (1 + erf(x/√2)) as PyTorch exports it below opset 20."""
    x = network.current
    network.node("Div", network.constant(np.sqrt(2.0)))
    network.node("Erf")
    network.node("Add", network.constant(1.0))
    network.node("Mul", x)
    network.node("Mul", network.constant(0.5))


def silu(network):
    x = network.current
    network.node("Sigmoid")
    network.node("Mul", x)


def residual(network):
    network.node("Relu")
    skip = network.current
    network.dense(HIDDEN, HIDDEN)
    network.node("Add", skip)


def residual_of_layers(network):
    """The sum of two layers that read the same tensor."""
    network.node("Relu")
    shared = network.current
    left = network.dense(HIDDEN, HIDDEN)
    network.current = shared
    network.dense(HIDDEN, HIDDEN)
    network.node("Add", left)
    network.node("Relu")


def batch_normalization(network):
    rng = network.rng
    scale, shift, mean = rng.uniform(0.5, 2, HIDDEN), rng.standard_normal(HIDDEN), rng.standard_normal(HIDDEN)
    variance = rng.uniform(0.1, 2, HIDDEN)
    network.node("BatchNormalization", *map(network.constant, (scale, shift, mean, variance)), epsilon=1e-3)
    network.node("Relu")


def scale_and_shift():
    network = Network("scale_and_shift", 11)
    network.node("Mul", network.constant(network.rng.uniform(0.2, 3, FEATURES)))
    network.node("Add", network.constant(network.rng.standard_normal(FEATURES)))
    network.dense(FEATURES, HIDDEN)
    network.node("Relu")
    network.dense(HIDDEN, CLASSES)
    return network


def images(name, opset, append):
    """Images of 4 x 8 pixels, made rows by what `append` adds."""
    network = Network(name, opset, sample=(4, 8))
    append(network)
    network.dense(FEATURES, HIDDEN)
    network.node("Relu")
    network.dense(HIDDEN, CLASSES)
    return network


def dead_channel():
    network = Network("dead_channel", 13)
    weights, bias = network.weights(FEATURES, HIDDEN), network.rng.standard_normal(HIDDEN)
    weights[:, [0, 7]] = 0
    bias[7] = 0
    network.dense(FEATURES, HIDDEN, weights=weights, bias=bias)
    network.node("Relu")
    network.dense(HIDDEN, CLASSES)
    return network


def constant_activation():
    network = Network("constant_activation", 13)
    network.dense(FEATURES, HIDDEN, bias=np.full(HIDDEN, -1000.0))
    network.node("Relu")
    network.dense(HIDDEN, HIDDEN)
    network.node("Relu")
    network.dense(HIDDEN, CLASSES)
    return network


def matmul_add():
    network = Network("matmul_add", 13)
    network.matmul_add(FEATURES, HIDDEN)
    network.node("Relu")
    network.matmul_add(HIDDEN, CLASSES)
    return network


def softmax_output():
    network = between_layers("softmax_output", 13, lambda n: n.node("Relu"))
    network.node("Softmax", axis=-1)
    return network


NETWORKS = [
    *(between_layers(f"relu_opset{opset}", opset, lambda n: n.node("Relu")) for opset in (11, 13, 17, 21)),
    between_layers("clip", 11, lambda n: n.node("Clip", n.constant(-0.5), n.constant(1.5))),
    between_layers("relu6", 17, lambda n: n.node("Clip", n.constant(0.0), n.constant(6.0))),
    between_layers("sigmoid", 13, lambda n: n.node("Sigmoid")),
    between_layers("tanh", 11, lambda n: n.node("Tanh")),
    between_layers("softmax", 13, lambda n: n.node("Softmax", axis=-1)),
    softmax_output(),
    between_layers("gelu", 20, lambda n: n.node("Gelu")),
    between_layers("gelu_tanh", 20, lambda n: n.node("Gelu", approximate="tanh")),
    between_layers("gelu_erf", 13, erf_gelu),
    between_layers("silu", 17, silu),
    between_layers("elu", 11, lambda n: n.node("Elu", alpha=0.7)),
    between_layers("selu", 17, lambda n: n.node("Selu")),
    between_layers("softplus", 21, lambda n: n.node("Softplus")),
    between_layers("leaky_relu", 11, lambda n: n.node("LeakyRelu", alpha=0.1)),
    images("flatten", 13, lambda n: n.node("Flatten")),
    images("reshape", 17, lambda n: n.node("Reshape", n.constant([-1, FEATURES], np.int64))),
    between_layers("residual", 13, residual),
    between_layers("residual_of_layers", 17, residual_of_layers),
    between_layers("batch_normalization", 17, batch_normalization),
    scale_and_shift(),
    dead_channel(),
    constant_activation(),
    matmul_add(),
]


def main(directory):
    json.dump([network.save(directory) for network in NETWORKS], sys.stdout)


main(*sys.argv[1:])
