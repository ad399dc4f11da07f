"""Runs a command that prints JSON. Usage: run.py COMMAND [ARGUMENT ...]    Prints {"answer", "peak_bytes"}."""

import json
import os
import subprocess
import sys

process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
answer = process.stdout.read()
_, status, usage = os.wait4(process.pid, 0)
if status != 0:
    sys.exit(f"{sys.argv[1]} ended with status {os.waitstatus_to_exitcode(status)}")
# In kilobytes, as Linux counts them.
json.dump({"answer": json.loads(answer), "peak_bytes": 1024 * usage.ru_maxrss}, sys.stdout)
