"""Many image files as one array, decoded by threads; what cannot be read is named, and the rest counted."""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from alfi.data import dicom
from alfi.data.files import File

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".dcm", ".dicom")
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)


class Decoded(NamedTuple):
    """``pixels`` [n, h, w, ...], the ``sizes`` [n] (width, height) in the files, and ``digests`` [n] of all pixels.

    Equal digests are equal images, whatever resolution they were then brought to; empty where not asked for.
    """

    pixels: np.ndarray
    sizes: list[tuple[int, int]]
    digests: list[bytes]


def decode(
    files: Sequence[File],
    resolution: int | None = None,
    *,
    colour: bool = True,
    crop: Callable[[Any], Any] | None = None,
    digests: bool = False,
) -> Decoded:
    """Images as float32 [n, resolution, resolution, 3 or, without ``colour``, 1] in [0, 1].

    All formats of Pillow, 16-bit greys included, and DICOM. The whole image is resized (Lanczos, antialiased) to the
    square, without regard to its aspect; ``crop``, a function of the Pillow image, comes first. Without a
    ``resolution`` all images must have one size. ``digests`` of all pixels find equal images.

    Raises ValueError naming the first files that are unreadable, with the number of those that are fine; or the first
    file of another size.

    Cost on four cores: 4 s for 10,000 JPEG files of 200 x 150, 12 s at 600 x 450.

    Example: ``decode([on_disk(path) for path in sorted(folder.glob("*.png"))], 28).pixels``
    """
    from PIL import Image

    def one(content: bytes):
        with _open(content) as image:
            size, image = image.size, _depth(image, colour)
        digest = hashlib.blake2b(repr(size).encode(), digest_size=16)
        if digests:
            digest.update(np.ascontiguousarray(image))
        image = image if crop is None else crop(image)
        if resolution is not None:
            image = image.resize((resolution, resolution), Image.Resampling.LANCZOS)
        pixels = np.asarray(image)
        if image.mode == "F":  # already in [0, 1]; Lanczos overshoots at edges
            pixels = np.clip(pixels, 0, 1)
            pixels = np.repeat(pixels[..., None], 3 if colour else 1, axis=-1)
        else:
            pixels = np.divide(pixels, np.float32(255), dtype=np.float32)
        return pixels.reshape(*pixels.shape[:2], -1), size, digest.digest() if digests else b""

    return _all(files, one, np.float32, "images")


def decode_masks(files: Sequence[File], resolution: int | None = None, *, binary: bool = True) -> Decoded:
    """Masks as int32 [n, resolution, resolution].

    ``binary``: what is brighter than half is 1, and after resizing what is covered to half or more is 1. Otherwise
    pixel values are classes, and the nearest pixel is taken.

    Raises ValueError as ``decode`` does.

    Example: ``decode_masks(members(folder, "_segmentation.png", stack, **ORIGIN), 64).pixels``
    """
    from PIL import Image

    def one(content: bytes):
        with _open(content) as image:
            size = image.size
            if binary:
                image = image.convert("L").point([255 * (value > 127) for value in range(256)])
                kind = Image.Resampling.BOX
            else:
                image = image.convert("L") if image.mode == "1" else image
                if image.mode not in ("L", "P"):
                    raise ValueError(f"got a mask of mode {image.mode}, expected one channel of at most 256 classes")
                kind = Image.Resampling.NEAREST
            image = image if resolution is None else image.resize((resolution, resolution), kind)
            pixels = np.asarray(image)  # within: Pillow reads pixels only when they are asked for
        return (pixels > 127 if binary else pixels), size, b""

    return _all(files, one, np.int32, "masks")


def same_sizes(images: Sequence[File], sizes: Sequence, masks: Sequence[File], mask_sizes: Sequence) -> None:
    """Raise ValueError, naming the first, where a mask has another size (width, height) than its image.

    Example: ``same_sizes(images, decode(images, 64).sizes, masks, decode_masks(masks, 64).sizes)``
    """
    wrong = [index for index, (size, other) in enumerate(zip(sizes, mask_sizes, strict=True)) if size != other]
    if wrong:
        i = wrong[0]
        raise ValueError(
            f"{len(wrong)} of {len(sizes)} masks have another size than their image, the first {masks[i].where}: got "
            f"{mask_sizes[i][0]} x {mask_sizes[i][1]}, expected the {sizes[i][0]} x {sizes[i][1]} of {images[i].where}"
        )


def _open(content: bytes):
    """A Pillow image; DICOM becomes one of floats in [0, 1] or of 8-bit colours."""
    from PIL import Image

    if content[128:132] == b"DICM":
        return Image.fromarray(dicom.pixels(content))
    return Image.open(io.BytesIO(content))


def _depth(image, colour: bool):
    """8-bit grey or RGB; greys of more than 8 bits as floats in [0, 1]: Pillow would cut them at 255."""
    from PIL import Image

    if image.mode.startswith("I"):
        return Image.fromarray(np.asarray(image, np.float32) / np.float32(65535))
    if image.mode == "F":
        return image.copy()
    return image.convert("RGB" if colour else "L")


def _all(files: Sequence[File], one: Callable[[bytes], tuple], dtype: Any, what: str) -> Decoded:
    """``one`` of the content of every file, stacked; threads, because Pillow releases the global lock."""

    def attempt(file: File):
        try:
            return one(file.read())
        except UNREADABLE as error:
            return f"{file.where} ({error})"

    stack, sizes, digests, broken, mixed = None, [], [], [], None
    with ThreadPoolExecutor() as pool:
        for index, result in enumerate(pool.map(attempt, files)):
            if isinstance(result, str):
                broken.append(result)
                continue
            pixels, size, digest = result
            stack = np.empty((len(files), *pixels.shape), dtype) if stack is None else stack
            if pixels.shape != stack.shape[1:]:
                mixed = mixed or (files[index].where, pixels.shape)
                continue
            stack[index] = pixels
            sizes.append(size)
            digests.append(digest)
    if broken:
        raise ValueError(
            f"{len(broken)} of {len(files)} {what} unreadable, the other {len(files) - len(broken)} are fine: "
            + "; ".join(broken[:5])
        )
    if mixed is not None:
        raise ValueError(
            f"{mixed[0]}: got shape {mixed[1]}, expected the {stack.shape[1:]} of {files[0].where}: "
            "bring all to one size by resolution="
        )
    return Decoded(np.empty((0,), dtype) if stack is None else stack, sizes, digests)
