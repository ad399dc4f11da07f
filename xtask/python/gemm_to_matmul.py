"""Writes each Gemm of a model as MatMul and Add, the form that other exporters give dense layers.

Usage: gemm_to_matmul.py MODEL REWRITTEN
"""

import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper


def main(path, rewritten_path):
    model = onnx.load(path)
    graph = model.graph
    constants = {initializer.name: initializer for initializer in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type != "Gemm":
            nodes.append(node)
            continue
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        if attributes.keys() - {"transB"}:
            raise ValueError(f"{node.name}: only transB is rewritten, it has {sorted(attributes)}")
        x, weight, bias = node.input
        matrix = numpy_helper.to_array(constants[weight])
        matrix = np.ascontiguousarray(matrix.T if attributes.get("transB") else matrix)
        (output,) = node.output
        graph.initializer.append(numpy_helper.from_array(matrix, f"{weight}.matrix"))
        nodes.append(helper.make_node("MatMul", [x, f"{weight}.matrix"], [f"{output}.product"], f"{node.name}.matmul"))
        nodes.append(helper.make_node("Add", [f"{output}.product", bias], [output], f"{node.name}.add"))
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [initializer for initializer in graph.initializer if initializer.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, rewritten_path)


main(*sys.argv[1:])
