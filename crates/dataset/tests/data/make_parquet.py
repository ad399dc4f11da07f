"""Writes pyarrow-snappy.parquet, pyarrow-zstd.parquet and pyarrow-gzip.parquet beside this file: one table, several ways.

    python3 -m venv venv && venv/bin/pip install pyarrow==26.0.1 && venv/bin/python make_parquet.py
"""

import pathlib

import pyarrow
from pyarrow import parquet

ROWS = range(50)


def main():
    table = pyarrow.table(
        {
            "a": pyarrow.array([i / 4 for i in ROWS], pyarrow.float32()),
            "b": pyarrow.array([2**32 - 1 - i for i in ROWS], pyarrow.uint32()),
            "image": pyarrow.array([[i, -i, i * i] for i in ROWS], pyarrow.list_(pyarrow.float32())),
            "c": pyarrow.array([i % 3 == 0 for i in ROWS], pyarrow.bool_()),
            "kind": pyarrow.array([["rose", "iris"][i % 2] for i in ROWS]),
        }
    )
    folder = pathlib.Path(__file__).parent
    for compression, version in [("snappy", "1.0"), ("zstd", "2.0"), ("gzip", "1.0")]:
        file = folder / f"pyarrow-{compression}.parquet"
        parquet.write_table(table, file, compression=compression, data_page_version=version, row_group_size=20)


if __name__ == "__main__":
    main()
