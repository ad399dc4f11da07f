"""Runs models in OpenVINO, as bursts.py says."""

import numpy as np
import openvino

import bursts

# It outlives every model, as the plugin that runs them does not.
core = openvino.Core()


def load(model, samples, batch, threads):
    network = core.read_model(model)
    # A fixed batch and the settings for one request at a time are the fastest it has.
    shape = [batch, *(dimension.get_length() for dimension in list(network.input(0).partial_shape)[1:])]
    network.reshape(shape)
    options = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": threads}
    request = core.compile_model(network, "CPU", options).create_infer_request()
    request.set_input_tensor(openvino.Tensor(np.load(samples)[:batch]))
    # A view of the output, so that no call pays for a copy to NumPy.
    return lambda: request.infer(share_outputs=True)


bursts.serve(load)
