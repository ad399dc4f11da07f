"""Runs models in ONNX Runtime, as bursts.py says."""

import numpy as np
import onnxruntime

import bursts


def load(model, samples, batch, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    # Bound once, so that no call pays for conversions from and to NumPy.
    binding = session.io_binding()
    x = np.load(samples)[:batch]
    binding.bind_cpu_input(session.get_inputs()[0].name, x)
    output = session.get_outputs()[0]
    session.run_with_iobinding(bound(binding, output.name, session.run(None, {session.get_inputs()[0].name: x})[0]))
    return lambda: session.run_with_iobinding(binding)


def bound(binding, name, y):
    """The binding with an output that is made once."""
    value = onnxruntime.OrtValue.ortvalue_from_numpy(y)
    binding.bind_ortvalue_output(name, value)
    return binding


bursts.serve(load)
