"""Does ONNX's own checker accept these files, strict shape and type inference included?

Usage: check_models.py MODEL...    Prints {file: error or null}.
"""

import json
import sys

import onnx


def error_of(path):
    try:
        onnx.checker.check_model(path, full_check=True)
        onnx.shape_inference.infer_shapes(onnx.load(path), check_type=True, strict_mode=True, data_prop=True)
    except Exception as error:  # Whatever it raises is the answer.
        return f"{type(error).__name__}: {error}"
    return None


json.dump({path: error_of(path) for path in sys.argv[1:]}, sys.stdout)
