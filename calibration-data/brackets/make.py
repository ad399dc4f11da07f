"""Writes train.npz and test.npz beside this file: strings of brackets, and whether they are balanced.

    python3 -m venv venv && venv/bin/pip install numpy==2.3.5 && venv/bin/python make.py

Running it again gives the same bytes: the draws are seeded, and the archives carry neither the time nor the machine.
(Another zlib may compress to other bytes of the same arrays.)
"""

import io
import pathlib
import zipfile

import numpy

SEED = 0
TRAIN, TEST = 4000, 1000
STEPS = 16
DEEPEST = 3

# 0 is the padding in front of a string.
OPENING = {"(": 1, "[": 2}
CLOSING = {")": 3, "]": 4}
PARTNER = {3: 1, 4: 2}


def is_balanced(symbols):
    stack = []
    for symbol in symbols:
        if symbol in PARTNER:
            if not stack or stack.pop() != PARTNER[symbol]:
                return False
        else:
            stack.append(symbol)
    return not stack


def balanced(random, pairs):
    """A balanced string of so many pairs, nested no deeper than DEEPEST."""
    symbols, stack = [], []
    while len(symbols) < 2 * pairs:
        left = 2 * pairs - len(symbols)
        may_open = len(stack) < DEEPEST and len(stack) < left
        if stack and (not may_open or random.randint(2)):
            symbols.append(stack.pop() + 2)
        else:
            symbols.append(1 + random.randint(2))
            stack.append(symbols[-1])
    return symbols


def spoiled(random, symbols):
    """The same string with one symbol replaced or two exchanged, so that it is not balanced any more."""
    while True:
        changed = list(symbols)
        if random.randint(2):
            changed[random.randint(len(changed))] = 1 + random.randint(4)
        else:
            a, b = random.randint(len(changed), size=2)
            changed[a], changed[b] = changed[b], changed[a]
        if not is_balanced(changed):
            return changed


def write_npz(path, **arrays):
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            data = io.BytesIO()
            numpy.save(data, array)
            archive.writestr(entry, data.getvalue(), compresslevel=9)


def main():
    # NumPy promises that RandomState gives the same numbers in every version, unlike its newer generators.
    random = numpy.random.RandomState(SEED)
    strings = {}
    while len(strings) < TRAIN + TEST:
        symbols = balanced(random, 3 + random.randint(STEPS // 2 - 2))
        wanted = len(strings) % 2
        symbols = symbols if wanted else spoiled(random, symbols)
        assert is_balanced(symbols) == bool(wanted)
        strings.setdefault(tuple(symbols), wanted)
    x, y = numpy.zeros((TRAIN + TEST, STEPS), "u1"), numpy.zeros(TRAIN + TEST, "u1")
    for row, (symbols, wanted) in enumerate(strings.items()):
        x[row, STEPS - len(symbols):], y[row] = symbols, wanted
    folder = pathlib.Path(__file__).parent
    write_npz(folder / "train.npz", x=x[:TRAIN], y=y[:TRAIN])
    write_npz(folder / "test.npz", x=x[TRAIN:], y=y[TRAIN:])


if __name__ == "__main__":
    main()
