"""Writes ONNX's backend node tests of its quantization operators in the layout of ONNX's test data.

Usage: node_tests.py DIRECTORY
Writes DIRECTORY/NAME/model.onnx and, beside it, inputs/input_N.pb and expected/output_N.pb. Prints [{"name", "types"}], types being those
of the model's inputs, outputs and attributes that name one.
"""

import json
import os
import sys
import warnings

import onnx
from onnx import TensorProto, numpy_helper

# Making the test cases of all operators warns of overflows that some of them are about.
warnings.simplefilter("ignore")

from onnx.backend.test.loader import load_model_tests  # noqa: E402

OPERATORS = {"QuantizeLinear", "DequantizeLinear", "QLinearMatMul", "MatMulInteger", "DynamicQuantizeLinear"}
TYPE_ATTRIBUTES = {"output_dtype", "precision"}


def write_tensors(directory, kind, values, tensors):
    os.makedirs(directory, exist_ok=True)
    for index, (value, tensor) in enumerate(zip(values, tensors, strict=True)):
        if not isinstance(tensor, TensorProto):
            tensor = numpy_helper.from_array(tensor, value.name)
        with open(os.path.join(directory, f"{kind}_{index}.pb"), "wb") as file:
            file.write(tensor.SerializeToString())


def types(model):
    values = [value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)]
    attributes = [a.i for node in model.graph.node for a in node.attribute if a.name in TYPE_ATTRIBUTES]
    return sorted({TensorProto.DataType.Name(number) for number in values + attributes})


def main(directory):
    written = {}
    for case in load_model_tests(kind="node"):
        model = case.model
        # What an operator is when written with others counts as well.
        if case.name in written or not OPERATORS & {node.op_type for node in model.graph.node}:
            continue
        target = os.path.join(directory, case.name)
        os.makedirs(target, exist_ok=True)
        onnx.save(model, os.path.join(target, "model.onnx"))
        ((inputs, outputs),) = case.data_sets
        write_tensors(os.path.join(target, "inputs"), "input", model.graph.input, inputs)
        write_tensors(os.path.join(target, "expected"), "output", model.graph.output, outputs)
        written[case.name] = {"name": case.name, "types": types(model)}
    json.dump(list(written.values()), sys.stdout)


main(*sys.argv[1:])
