"""Do two directories of ONNX's test data hold the same outputs, in type, shape and every bit of every value?

Usage: same_tensors.py OURS EXPECTED    Prints what differs; nothing where nothing does.
"""

import glob
import json
import os
import sys

from onnx import TensorProto, numpy_helper


def load(path):
    with open(path, "rb") as file:
        tensor = TensorProto.FromString(file.read())
    return tensor.data_type, numpy_helper.to_array(tensor)


def difference(name, ours, expected):
    (our_type, our_values), (expected_type, expected_values) = ours, expected
    if our_type != expected_type:
        our_type, expected_type = map(TensorProto.DataType.Name, (our_type, expected_type))
        return f"{name} is of type {our_type}, not {expected_type}"
    if our_values.shape != expected_values.shape:
        return f"{name} has the shape {our_values.shape}, not {expected_values.shape}"
    if our_values.tobytes() != expected_values.tobytes():
        differing = int((our_values != expected_values).sum())
        return f"{name} differs in {differing} of {expected_values.size} values: {our_values}, not {expected_values}"
    return None


def main(ours, expected):
    names = {os.path.basename(path) for path in glob.glob(os.path.join(expected, "*.pb"))}
    ours_names = {os.path.basename(path) for path in glob.glob(os.path.join(ours, "*.pb"))}
    differences = [f"outputs {sorted(ours_names)}, not {sorted(names)}"] if names != ours_names else []
    for name in sorted(names & ours_names):
        differences.append(difference(name, load(os.path.join(ours, name)), load(os.path.join(expected, name))))
    json.dump([text for text in differences if text], sys.stdout)


main(*sys.argv[1:])
