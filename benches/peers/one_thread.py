"""Holds NumPy and every session of ONNX Runtime to one thread. Import this before both."""

import os

for library in ["OMP", "OPENBLAS", "MKL"]:
    os.environ[f"{library}_NUM_THREADS"] = "1"

import onnxruntime


class Session(onnxruntime.InferenceSession):
    """A session whose options leave it one thread, whoever makes it."""

    def __init__(self, model, sess_options=None, **arguments):
        options = sess_options or onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        super().__init__(model, options, **arguments)


onnxruntime.InferenceSession = Session
