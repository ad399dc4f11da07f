"""Quantizes a float model with ONNX Runtime's own quantize_static.

Usage: quantize_static.py MODEL SAMPLES INT8 {u8|s8} {per-channel|per-tensor} {asymmetric|symmetric} {u8|s8} {qdq|pairs|qoperator}

The first type is that of the activations, the second that of the weights; unsigned weights are asymmetric.
qdq are QuantizeLinear and DequantizeLinear nodes around float operators; pairs the same as neural-compressor writes it, with a pair of nodes
for each reader of a tensor and weights in float behind such a pair; qoperator are ONNX Runtime's own operators on integers.
"""

import sys

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

import samples

BATCH = 100


class Batches(CalibrationDataReader):
    def __init__(self, name, x):
        self.batches = iter([{name: x[start : start + BATCH]} for start in range(0, len(x), BATCH)])

    def get_next(self):
        return next(self.batches, None)


TYPES = {"u8": QuantType.QUInt8, "s8": QuantType.QInt8}


def main(path, samples_path, int8_path, activations, granularity, symmetry, weights, form):
    quantize_static(
        path,
        int8_path,
        Batches(*samples.for_model(samples_path, onnx.load(path))),
        quant_format=QuantFormat.QOperator if form == "qoperator" else QuantFormat.QDQ,
        activation_type=TYPES[activations],
        weight_type=TYPES[weights],
        per_channel={"per-channel": True, "per-tensor": False}[granularity],
        reduce_range=False,
        extra_options={
            "ActivationSymmetric": {"symmetric": True, "asymmetric": False}[symmetry],
            "AddQDQPairToWeight": form == "pairs",
            "DedicatedQDQPair": form == "pairs",
        },
    )


main(*sys.argv[1:])
