"""How long does ONNX Runtime take to calibrate a model on one thread?

Usage: calibrate_onnxruntime.py MODEL SAMPLES.npy COUNT BATCH METHOD    METHOD is MinMax, Percentile or Entropy.
Times `collect_data` over samples in memory. What `compute_data` takes afterwards is not counted.
"""

import os
import sys
import tempfile

# Before everything else.
import measured
import one_thread  # noqa: F401

import numpy as np
import onnxruntime
from onnxruntime.quantization import CalibrationMethod, create_calibrator


class Reader:
    """Gives batches of an array."""

    def __init__(self, name, x, batch):
        self.batches = ({name: x[start : start + batch]} for start in range(0, len(x), batch))

    def get_next(self):
        return next(self.batches, None)


def main(model, samples, count, batch, method):
    onnxruntime.set_default_logger_severity(3)
    # Percentile fails if the last batch is smaller.
    x = np.load(samples)[: count - count % batch]
    with tempfile.TemporaryDirectory() as directory:
        augmented = os.path.join(directory, "augmented.onnx")
        calibrator = create_calibrator(model, None, augmented, CalibrationMethod[method])
        name = calibrator.infer_session.get_inputs()[0].name
        measured.report(len(x), lambda: calibrator.collect_data(Reader(name, x, batch)))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
