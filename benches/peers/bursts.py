"""Times a model in short bursts as it is told on standard input, so that other sides can have their turns in between.

Each line is a JSON object. {"load": {...}} makes the model ready and answers null; {"burst": SECONDS} runs it for that long, once at
least after one run that is not counted, and answers the microseconds of each run.
"""

import json
import sys
import time

# Only answers go to standard output.
answers, sys.stdout = sys.stdout, sys.stderr


def burst(run, seconds):
    run()
    taken = []
    start = now = time.perf_counter()
    while not taken or now - start < seconds:
        run()
        before, now = now, time.perf_counter()
        taken.append(1e6 * (now - before))
    return taken


def serve(load):
    """Answers until standard input ends; `load`, given what is to be loaded, returns a function that runs it once."""
    run = None
    for line in sys.stdin:
        command = json.loads(line)
        if "load" in command:
            run = None
            run = load(**command["load"])
            answer = None
        else:
            answer = burst(run, command["burst"])
        json.dump(answer, answers)
        print(file=answers, flush=True)
