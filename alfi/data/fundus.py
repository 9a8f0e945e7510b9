"""The disc of a fundus photograph, without the black around it."""

from typing import Any

import numpy as np

DARK = 0.06  # of full scale: the black border of a fundus camera stays below it in all channels


def field_of_view(image: Any) -> Any:
    """The Pillow image cropped to what is not black and padded with black to a square; a square one stays as it is.

    So the eye keeps its shape when images of several cameras, 1440 x 960 or 4288 x 2848 say, are resized to one square.
    Rows and columns belong to the field of view where more than 2 % of their pixels are brighter than the border.

    Found in steps of a 256th of the shorter side. Cost: one pass over the image.

    >>> from PIL import Image
    >>> eye = Image.new("RGB", (60, 40))
    >>> eye.paste((200, 90, 40), (20, 5, 50, 35))
    >>> field_of_view(eye).size
    (30, 30)
    """
    from PIL import Image

    if image.width == image.height:
        return image
    step = max(min(image.size) // 256, 1)
    pixels = np.asarray(image.reduce(step))
    bright = (pixels if pixels.ndim == 2 else pixels.max(axis=-1)) > DARK * 255
    rows, columns = (np.flatnonzero(bright.mean(axis=axis) > 0.02) for axis in (1, 0))
    if len(rows) and len(columns):
        box = step * np.array((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        image = image.crop(np.minimum(box, 2 * image.size).tolist())
    side = max(image.size)
    square = Image.new(image.mode, (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square
