"""Writes images/pillow.jpg, images/pillow.png and pillow.npz beside this file: images, and what Pillow makes of them.

    python3 -m venv venv && venv/bin/pip install numpy==2.3.5 pillow==13.0.0 && venv/bin/python make_images.py
"""

import pathlib

import numpy
from PIL import Image


def main():
    folder = pathlib.Path(__file__).parent
    (folder / "images").mkdir(exist_ok=True)
    rows, columns = numpy.mgrid[0:37, 0:50]
    waves = [numpy.sin(rows / 5) * numpy.cos(columns / 7), numpy.sin((rows + columns) / 9), numpy.cos(rows * columns / 400)]
    image = Image.fromarray(numpy.uint8(numpy.stack(waves, -1) * 127 + 128))
    image.convert("P", palette=Image.Palette.ADAPTIVE, colors=32).save(folder / "images/pillow.png", optimize=True)
    image.save(folder / "images/pillow.jpg", quality=85, progressive=True)
    arrays = {}
    for kind in ["jpg", "png"]:
        opened = Image.open(folder / f"images/pillow.{kind}").convert("RGB")
        arrays[kind] = opened
        arrays[f"{kind}-grey"] = opened.convert("L")
        arrays[f"{kind}-small"] = opened.resize((21, 16), Image.Resampling.BILINEAR)
        arrays[f"{kind}-large"] = opened.resize((70, 60), Image.Resampling.BILINEAR)
    arrays = {name: numpy.asarray(image)[None] for name, image in arrays.items()}
    numpy.savez_compressed(folder / "pillow.npz", **arrays)


if __name__ == "__main__":
    main()
