"""How long something takes, and how much memory the process had at most. Import this before what may print."""

import json
import resource
import sys
import time

# Only the measurement goes to standard output.
answer, sys.stdout = sys.stdout, sys.stderr


def report(samples, work):
    """Runs `work` and prints {"samples", "seconds", "cpu_seconds", "peak_bytes"}."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    # In kilobytes, as Linux counts them.
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    json.dump({"samples": samples, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak}, answer)
