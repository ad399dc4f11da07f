"""Writes train.npz and test.npz beside this file.

    python3 -m venv venv && venv/bin/pip install scikit-learn==1.7.2 numpy==2.3.5 && venv/bin/python make.py

Running it again gives the same bytes: the shuffle is seeded, and the archives carry neither the time nor the machine.
(Another zlib may compress to other bytes of the same arrays.)
"""

import io
import pathlib
import zipfile

import numpy
import sklearn.datasets

SEED = 0
TRAIN = 400


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
    cells = sklearn.datasets.load_breast_cancer()
    x, y = cells.data, cells.target
    assert x.shape == (569, 30) and list(cells.target_names) == ["malignant", "benign"]
    # NumPy promises that RandomState gives the same numbers in every version, unlike its newer generators.
    order = numpy.random.RandomState(SEED).permutation(len(x))
    folder = pathlib.Path(__file__).parent
    for name, part in [("train", order[:TRAIN]), ("test", order[TRAIN:])]:
        write_npz(folder / f"{name}.npz", x=x[part].astype("f4"), y=y[part].astype("u1"))


if __name__ == "__main__":
    main()
