"""Runs a command that prints JSON. Usage: run.py COMMAND [ARGUMENT ...]    Prints {"answer", "cpu_seconds", "peak_bytes"}."""

import json
import os
import subprocess
import sys

process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
answer = process.stdout.read()
_, status, usage = os.wait4(process.pid, 0)
if status != 0:
    sys.exit(f"{sys.argv[1]} ended with status {os.waitstatus_to_exitcode(status)}")
measured = {
    "answer": json.loads(answer),
    "cpu_seconds": usage.ru_utime + usage.ru_stime,
    # In kilobytes, as Linux counts them.
    "peak_bytes": 1024 * usage.ru_maxrss,
}
json.dump(measured, sys.stdout)
