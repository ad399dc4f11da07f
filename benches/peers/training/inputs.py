"""Writes what every side trains on: images from 0 to 1 and their labels, repeated until there are enough.

Usage: inputs.py SAMPLES IMAGES LABELS OUTPUT
IMAGES and LABELS are IDX files (.gz) of bytes. Writes OUTPUT.npy [SAMPLES, pixels] in f32 and OUTPUT.labels.npy in u32. Repetitions get noise, so
that no two samples are equal.
"""

import gzip
import sys

import numpy as np


def idx(path, dimensions):
    data = gzip.open(path).read()
    # IDX: two zero bytes, element type (8: unsigned bytes), number of dimensions, sizes as big-endian 32-bit integers, elements.
    if data[:4] != bytes([0, 0, 8, dimensions]):
        raise ValueError(f"{path}: not an IDX file of bytes in {dimensions} dimensions")
    shape = np.frombuffer(data, ">u4", count=dimensions, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def main(count, images, labels, output):
    x = idx(images, 3).reshape(len(idx(labels, 1)), -1).astype(np.float32)
    repeated = np.resize(x, (count, x.shape[1]))
    repeated[len(x) :] += np.random.default_rng(0).normal(0, 2, repeated[len(x) :].shape).astype(np.float32)
    np.save(f"{output}.npy", repeated.clip(0, 255) / np.float32(255))
    np.save(f"{output}.labels.npy", np.resize(idx(labels, 1), count).astype(np.uint32))


main(int(sys.argv[1]), *sys.argv[2:5])
