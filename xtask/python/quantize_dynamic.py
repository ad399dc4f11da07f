"""Quantizes a float model with ONNX Runtime's own quantize_dynamic.

Usage: quantize_dynamic.py MODEL INT8
"""

import sys

from onnxruntime.quantization import QuantType, quantize_dynamic


def main(path, int8_path):
    quantize_dynamic(path, int8_path, per_channel=True, weight_type=QuantType.QInt8)


main(*sys.argv[1:])
