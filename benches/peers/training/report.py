"""What a side prints: seconds of each epoch and the memory that training took above the data. Import this before what may print."""

import json
import re
import sys

# Only the report goes to standard output.
answer, sys.stdout = sys.stdout, sys.stderr


def memory(line):
    """A line of what Linux knows of this process, in bytes."""
    with open("/proc/self/status") as file:
        return 1024 * int(re.search(rf"^{line}:\s+(\d+) kB$", file.read(), re.MULTILINE).group(1))


def resident():
    """Bytes in memory now; the peak is counted from here."""
    # What 5 means: proc(5), /proc/pid/clear_refs.
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return memory("VmRSS")


def report(seconds, loss, before):
    """Prints {"seconds", "loss", "bytes"}; `before` is what was resident when the training began."""
    json.dump({"seconds": seconds, "loss": loss, "bytes": memory("VmHWM") - before}, answer)
