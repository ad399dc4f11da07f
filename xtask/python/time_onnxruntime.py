"""How long does ONNX Runtime take for a model on one thread?

Usage: time_onnxruntime.py MODEL SAMPLES SECONDS BATCH [BATCH ...]    Prints [{"batch", "median_us", "min_us"}].
"""

import json
import statistics
import sys
import time

import onnx
import onnxruntime

import samples


def main(path, samples_path, seconds, batches):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name, x = samples.for_model(samples_path, onnx.load(path))
    times = []
    for batch in batches:
        # Bound once, so that no call pays for conversions from and to NumPy.
        binding = session.io_binding()
        binding.bind_cpu_input(name, x[:batch])
        binding.bind_output(session.get_outputs()[0].name)
        taken = []
        end = time.perf_counter() + seconds
        while len(taken) < 20 or time.perf_counter() < end:
            start = time.perf_counter()
            session.run_with_iobinding(binding)
            taken.append(1e6 * (time.perf_counter() - start))
        times.append({"batch": batch, "median_us": statistics.median(taken), "min_us": min(taken)})
    json.dump(times, sys.stdout)


main(sys.argv[1], sys.argv[2], float(sys.argv[3]), [int(batch) for batch in sys.argv[4:]])
