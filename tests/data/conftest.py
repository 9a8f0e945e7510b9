"""Small image files for the layouts of the data sets."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image


def write_image(path: Path, seed: int, size: tuple[int, int] = (12, 9)) -> np.ndarray:
    """An RGB image of noise, (width, height), in the format of the suffix; its pixels as they are read back."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    with Image.open(path) as image:
        return np.asarray(image)


def write_mask(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)


def resized(pixels: np.ndarray, side: int) -> np.ndarray:
    """By Pillow itself, as the readers promise."""
    image = Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(image, np.float32) / np.float32(255)


@pytest.fixture
def make():
    return SimpleNamespace(image=write_image, mask=write_mask, resized=resized)
