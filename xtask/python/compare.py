"""How far are our tensors from theirs?

Usage: compare.py OURS.npz THEIRS.npz NAME...
Prints for each tensor {"name", "elements"} and, for integers, "differing" (elements), "largest" (difference) and "levels" (distinct
values of theirs); for floats, "relative" (largest difference over largest magnitude of theirs), "each" (largest of the differences
over 1 + magnitude of theirs), "samples" and "same_class" (samples whose largest value is at the same place).
"""

import json
import sys

import numpy as np


def compare(name, ours, theirs):
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        raise ValueError(f"{name}: ours is {ours.dtype} {ours.shape}, theirs {theirs.dtype} {theirs.shape}")
    entry = {"name": name, "elements": theirs.size}
    if theirs.dtype.kind in "iu":
        difference = np.abs(ours.astype(np.int64) - theirs.astype(np.int64))
        largest = int(difference.max(initial=0))
        return entry | {"differing": int((difference > 0).sum()), "largest": largest, "levels": len(np.unique(theirs))}
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError(f"{name} is not finite")
    differences = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    magnitudes = np.abs(theirs.astype(np.float64))
    difference, magnitude = differences.max(initial=0.0), magnitudes.max(initial=0.0)
    classes = [values.reshape(len(values), -1).argmax(axis=1) for values in (ours, theirs)]
    return entry | {
        "relative": float(difference / magnitude) if magnitude > 0 else float(difference),
        "each": float((differences / (1.0 + magnitudes)).max(initial=0.0)),
        "samples": len(theirs),
        "same_class": int((classes[0] == classes[1]).sum()),
    }


def main(ours_path, theirs_path, *names):
    ours, theirs = np.load(ours_path), np.load(theirs_path)
    json.dump([compare(name, ours[name], theirs[name]) for name in names], sys.stdout)


main(*sys.argv[1:])
