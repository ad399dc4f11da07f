"""Writes calibration-*.gz and test-*.gz beside this file, from the Debian package dataset-fashion-mnist.

    sudo apt-get install dataset-fashion-mnist && python3 make.py [folder of the package's four files]

Takes the first 100 samples of each class in the training files and the first 200 of each class in the test files, in their order.
Running it again gives the same bytes: nothing is random, and the gzip headers carry neither a time nor a name.
(Another zlib may compress to other bytes of the same contents.)
"""

import collections
import gzip
import hashlib
import pathlib
import struct
import sys

DEBIAN = "/usr/share/datasets/fashion-mnist"
# Of the decompressed contents, which do not depend on who compressed them.
SHA256 = {
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
}


def read(folder, name):
    data = gzip.decompress((folder / name).read_bytes())
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        sys.exit(f"{folder / name} has other contents than Debian's file")
    return data


def write(path, data):
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as compressed:
        compressed.write(data)


def first_of_each_class(labels, per_class):
    seen = collections.Counter()
    for i, label in enumerate(labels):
        seen[label] += 1
        if seen[label] <= per_class:
            yield i


def main():
    source = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else DEBIAN)
    target = pathlib.Path(__file__).parent
    for old, new, per_class in [("train", "calibration", 100), ("t10k", "test", 200)]:
        images = read(source, f"{old}-images-idx3-ubyte.gz")
        labels = read(source, f"{old}-labels-idx1-ubyte.gz")[8:]
        magic, count, rows, columns = struct.unpack(">4I", images[:16])
        assert magic == 0x0803 and count == len(labels)
        size = rows * columns
        chosen = list(first_of_each_class(labels, per_class))
        images = b"".join(images[16 + i * size : 16 + (i + 1) * size] for i in chosen)
        labels = bytes(labels[i] for i in chosen)
        images_header = struct.pack(">4I", magic, len(chosen), rows, columns)
        write(target / f"{new}-images-idx3-ubyte.gz", images_header + images)
        write(target / f"{new}-labels-idx1-ubyte.gz", struct.pack(">2I", 0x0801, len(chosen)) + labels)


if __name__ == "__main__":
    main()
