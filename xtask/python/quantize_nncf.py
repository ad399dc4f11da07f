"""Quantizes a float model of dense layers with NNCF.

Usage: quantize_nncf.py MODEL SAMPLES INT8 {float|int32}
NNCF leaves biases in float. Runtimes with integer layers take them in steps of the product of the input's and the weights' scales; with
int32 they are rounded to these, as ONNX Runtime's own quantizer does it, so that both runtimes compute with the same numbers.
"""

import os
import sys

# NNCF sends no telemetry with this set.
os.environ["NNCF_CI"] = "1"

import logging

import nncf
import numpy as np
import onnx
from onnx import helper, numpy_helper

import samples

BATCH = 100


def round_biases(graph):
    constants = {initializer.name: initializer for initializer in graph.initializer}
    value = lambda name: numpy_helper.to_array(constants[name])
    made_by = {name: node for node in graph.node for name in node.output}
    nodes = []
    for node in graph.node:
        if node.op_type == "Gemm":
            x, weights = (made_by[name] for name in node.input[:2])
            assert x.op_type == weights.op_type == "DequantizeLinear"
            scale = (value(x.input[1]) * value(weights.input[1])).astype(np.float32)
            bias = node.input[2]
            steps = np.rint(value(bias) / scale).astype(np.int32)
            graph.initializer.append(numpy_helper.from_array(steps, f"{bias}_steps"))
            graph.initializer.append(numpy_helper.from_array(scale, f"{bias}_scale"))
            inputs, output = [f"{bias}_steps", f"{bias}_scale"], f"{bias}_real"
            axis = {"axis": 0} if scale.size > 1 else {}
            nodes.append(helper.make_node("DequantizeLinear", inputs, [output], f"{bias}_dequantize", **axis))
            node.input[2] = output
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def main(path, samples_path, int8_path, biases):
    nncf.set_log_level(logging.ERROR)
    model = onnx.load(path)
    name, x = samples.for_model(samples_path, model)
    batches = [x[start : start + BATCH] for start in range(0, len(x) - len(x) % BATCH, BATCH)]
    dataset = nncf.Dataset(batches, lambda batch: {name: batch})
    # Standard output is for answers.
    with open(os.devnull, "w") as nothing:
        sys.stdout, stdout = nothing, sys.stdout
        quantized = nncf.quantize(model, dataset, subset_size=len(batches))
        sys.stdout = stdout
    if biases == "int32":
        round_biases(quantized.graph)
    onnx.checker.check_model(quantized, full_check=True)
    onnx.save(quantized, int8_path)


main(*sys.argv[1:])
