"""How long does NNCF take to calibrate a model with ONNX Runtime on one thread?

Usage: calibrate_nncf.py MODEL SAMPLES.npy COUNT BATCH
Times the collection of statistics for `nncf.quantize` over samples in memory, without those that correct biases and align channels; what
it makes of them afterwards is not counted.
"""

import os
import sys

# NNCF sends no telemetry with this set.
os.environ["NNCF_CI"] = "1"

# Before everything else.
import measured
import one_thread  # noqa: F401

import numpy as np
import onnx
import nncf
from nncf.onnx.statistics.aggregator import ONNXStatisticsAggregator


def main(path, samples, count, batch):
    model = onnx.load(path)
    name = model.graph.input[0].name
    x = np.load(samples)[: count - count % batch]
    batches = [x[start : start + batch] for start in range(0, len(x), batch)]
    collect, runs = ONNXStatisticsAggregator.collect_statistics, []

    def timed(*arguments):
        runs.append(measured.report(len(x), lambda: collect(*arguments)))

    ONNXStatisticsAggregator.collect_statistics = timed
    advanced = nncf.AdvancedQuantizationParameters(disable_bias_correction=True, disable_channel_alignment=True)
    dataset = nncf.Dataset(batches, lambda batch: {name: batch})
    nncf.quantize(model, dataset, subset_size=len(batches), advanced_parameters=advanced)
    if len(runs) != 1:
        raise RuntimeError(f"statistics were collected {len(runs)} times")


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
