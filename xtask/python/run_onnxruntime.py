"""What does ONNX Runtime make of a model: which operators does it run, and what do they compute?

Usage: run_onnxruntime.py MODEL SAMPLES RESULTS.npz
Writes the outputs of the graph and the integers of every quantized activation. Prints
{"operators": [...], "outputs": [names], "integers": [names]}.

Making a quantized tensor an output of the model can keep ONNX Runtime from fusing the nodes around it. So the model is optimized and
saved as it is, and the tensors are read from that optimized graph, run without further optimization: the same kernels run, which is
confirmed by outputs that are equal bit for bit.
"""

import json
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnxruntime import GraphOptimizationLevel

import samples

# ONNX Runtime turns int8 activations into uint8 ones, shifted by 128, under names that begin like this.
SHIFTED = "qdq_s8_to_u8_quant"


def session(path, level=None, save_to=None):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Without this, weights alone in integers make ONNX Runtime round their float activations to 8 bits as well.
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "0")
    if level is not None:
        options.graph_optimization_level = level
    if save_to is not None:
        options.optimized_model_filepath = save_to
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def is_quantized(node):
    """Whether the node makes 8-bit integers; QGemm without a scale of its result makes real numbers."""
    return node.op_type.startswith("QLinear") or node.op_type == "QuantizeLinear" or (
        node.op_type == "QGemm" and len(node.input) > 7
    )


def quantized_activations(graph):
    constants = {initializer.name for initializer in graph.initializer}
    return [node.output[0] for node in graph.node if is_quantized(node) and node.input[0] not in constants]


def names_in_optimized(wanted, graph):
    """Each wanted tensor's name in the optimized graph, where the shifted ones lie in the same order."""
    made = [name for node in graph.node for name in node.output]
    renamed = [name for name in wanted if name not in made]
    shifted = [name for name in made if name.startswith(SHIFTED)]
    if len(renamed) != len(shifted):
        raise ValueError(f"ONNX Runtime does not compute {renamed}; it has {shifted}")
    return {name: name for name in wanted if name in made} | dict(zip(renamed, shifted))


def main(path, samples_path, results_path):
    optimized_path = results_path + ".optimized.onnx"
    model = onnx.load(path)
    name, x = samples.for_model(samples_path, model)
    plain = session(path, save_to=optimized_path)
    outputs = [output.name for output in plain.get_outputs()]
    results = dict(zip(outputs, plain.run(outputs, {name: x})))

    optimized = onnx.load(optimized_path)
    operators = [f"{node.domain}:{node.op_type}".removeprefix(":") for node in optimized.graph.node]
    integers = names_in_optimized(quantized_activations(model.graph), optimized.graph)
    # Without a type, ONNX Runtime infers it.
    optimized.graph.output.extend(onnx.ValueInfoProto(name=name) for name in integers.values() if name not in outputs)
    onnx.save(optimized, optimized_path)
    tapped = session(optimized_path, level=GraphOptimizationLevel.ORT_DISABLE_ALL)
    names = [output.name for output in tapped.get_outputs()]
    tensors = dict(zip(names, tapped.run(names, {name: x})))
    os.remove(optimized_path)
    for output in outputs:
        if not np.array_equal(tensors[output], results[output], equal_nan=True):
            raise ValueError(f"{output} differs between the optimized graph and the same graph with taps")

    for name, optimized_name in integers.items():
        values = tensors[optimized_name]
        results[name] = (values ^ 0x80).view(np.int8) if optimized_name.startswith(SHIFTED) else values
    np.savez(results_path, **results)
    json.dump({"operators": operators, "outputs": outputs, "integers": list(integers)}, sys.stdout)


main(*sys.argv[1:])
