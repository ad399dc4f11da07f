"""Writes numpy.npz and numpy-compressed.npz beside this file: the numbers of NumPy's types in both byte and element orders.

    python3 -m venv venv && venv/bin/pip install numpy==2.3.5 && venv/bin/python make.py
"""

import pathlib

import numpy

VALUES = numpy.array([[0, 1, 2], [3, 100, 127], [64, 65, 7], [9, 10, 11]])


def main():
    arrays = {}
    for code in ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]:
        for order in "<>":
            for layout in "CF":
                name = f"{code}-{'little' if order == '<' else 'big'}-{layout}"
                arrays[name] = numpy.asarray(VALUES.astype(order + code), order=layout)
    arrays["y"] = numpy.array([[3], [0], [65_536], [2]], ">i8")
    folder = pathlib.Path(__file__).parent
    numpy.savez(folder / "numpy.npz", **arrays)
    arrays["b1"] = VALUES.astype(bool)
    numpy.savez_compressed(folder / "numpy-compressed.npz", **arrays)


if __name__ == "__main__":
    main()
