"""MedMNIST v2: small medical images with an official split, ``{train,val,test}_{images,labels}`` in one npz."""

import hashlib
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from alfi.data.checks import SPLITS, checked
from alfi.data.facts import Facts
from alfi.data.root import require
from alfi.typing import Dataset

ORIGIN = {
    "source": "MedMNIST (Yang et al. 2023), https://doi.org/10.5281/zenodo.10519652",
    "licence": "CC BY 4.0 (dermamnist: CC BY-NC 4.0)",
}
ORGANS = (
    *("bladder", "left femur", "right femur", "heart", "left kidney", "right kidney"),
    *("liver", "left lung", "right lung", "pancreas", "spleen"),
)
CLASSES = {
    "breastmnist": ("malignant", "normal or benign"),
    "pneumoniamnist": ("normal", "pneumonia"),
    "bloodmnist": (
        *("basophil", "eosinophil", "erythroblast", "immature granulocyte"),
        *("lymphocyte", "monocyte", "neutrophil", "platelet"),
    ),
    "dermamnist": (
        *("actinic keratosis", "basal cell carcinoma", "benign keratosis", "dermatofibroma"),
        *("melanoma", "melanocytic nevus", "vascular lesion"),
    ),
    "octmnist": ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    "organamnist": ORGANS,
    "organcmnist": ORGANS,
    "organsmnist": ORGANS,
    "pathmnist": (
        *("adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle", "normal colon mucosa"),
        *("cancer-associated stroma", "colorectal adenocarcinoma epithelium"),
    ),
    "retinamnist": ("0", "1", "2", "3", "4"),
    "tissuemnist": (
        *("collecting duct or connecting tubule", "distal convoluted tubule", "glomerular endothelial cell"),
        *("interstitial endothelial cell", "leukocyte", "podocyte", "proximal tubule", "thick ascending limb"),
    ),
}

# name: (what is seen, images, md5 of the 28-pixel file as published with version 2.1 of MedMNIST)
PUBLISHED = {
    "bloodmnist": ("blood cell microscopy", 17092, "7053d0359d879ad8a5505303e11de1dc"),
    "breastmnist": ("breast ultrasound", 780, "750601b1f35ba3300ea97c75c52ff8f6"),
    "dermamnist": ("dermoscopy", 10015, "0744692d530f8e62ec473284d019b0c7"),
    "octmnist": ("retinal OCT", 109309, "c68d92d5b585d8d81f7112f81e2d0842"),
    "organamnist": ("abdominal CT, axial", 58850, "866b832ed4eeba67bfb9edee1d5544e6"),
    "organcmnist": ("abdominal CT, coronal", 23660, "0afa5834fb105f7705a7d93372119a21"),
    "organsmnist": ("abdominal CT, sagittal", 25221, "e5c39f1af030238290b9557d9503af9d"),
    "pathmnist": ("colon histology", 107180, "a8b06965200029087d5bd730944a56c1"),
    "pneumoniamnist": ("chest X-ray", 5856, "28209eda62fecd6e6a2d98b1501bb15f"),
    "retinamnist": ("fundus", 1600, "bd4c0672f1bba3e3a89f0e4e876791e4"),
    "tissuemnist": ("kidney cell microscopy", 236386, "ebe78ee8b05294063de985d821c1c34b"),
}


def facts(name: str) -> Facts:
    """What is known of ``name``, a published set, one of its larger sizes, or another file of this form.

    >>> facts("breastmnist_64").task
    'breast ultrasound: 2 classes, 64 px'
    """
    base, _, pixels = name.partition("_")
    seen, n, _ = PUBLISHED.get(base, ("images", None, None))
    classes = f"{len(CLASSES[base])} classes" if base in CLASSES else "classes"
    return Facts(
        name=name,
        task=f"{seen}: {classes}, {pixels or 28} px" if n else seen,
        size=f"{n:,} images" if n else "",
        licence="CC BY-NC 4.0" if base == "dermamnist" else "CC BY 4.0",
        citation="Yang et al., Scientific Data 2023, doi 10.1038/s41597-022-01721-8",
        source=ORIGIN["source"],
        files=(f"medmnist/{name}.npz",),
    )


FACTS = tuple(facts(name) for name in sorted(PUBLISHED))


def checksum(path: Path) -> tuple[str, str | None]:
    """The md5 of a file, and the published one where it is known; nothing depends on their being equal.

    Files made from other copies, or saved anew, differ and are read all the same: what matters is checked by ``load``.

    Example: ``found, published = checksum(root / "medmnist" / "breastmnist.npz")``
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()  # a name for a file, not a protection
    return found, PUBLISHED.get(path.stem, (None, None, None))[2]


def is_published(name: str) -> bool:
    """Whether MedMNIST publishes ``name``: a single-label 2-D set, or one of its larger sizes 64, 128 and 224.

    >>> is_published("pathmnist"), is_published("pathmnist_224"), is_published("pathmnist_32")
    (True, True, False)
    """
    base, separator, pixels = name.partition("_")
    return base in CLASSES and (not separator or pixels in ("64", "128", "224"))


def names(root: Path) -> set[str]:
    """The single-label 2-D sets of MedMNIST v2, and every other ``NAME.npz`` under ``root/medmnist``."""
    return set(CLASSES) | {path.stem for path in (root / "medmnist").glob("*.npz")}


def loader(name: str) -> Callable[[Path], Dataset]:
    """``(root) -> Dataset`` for ``root/medmnist/NAME.npz``: x[n, height, width, 1 or 3], the official split.

    Exact duplicates within the training split (same image and same label: 18 in PneumoniaMNIST) are dropped, the first
    is kept. Val and test stay as published, so duplicates across splits stay too: 8 images of PneumoniaMNIST are in
    both train and val, one of BreastMNIST in both train and test. ``ids`` are ``NAME/SPLIT/INDEX``, with the index in
    the file. Patients are not in the file: no groups. Sizes above 28 go by their own name, ``breastmnist_64``.

    Raises FileNotFoundError where the file is missing; ValueError, naming the file, where it is truncated, where its
    arrays are no uint8 images [n, h, w] or [n, h, w, 3] with one integer label each, or where an image has several
    labels. Cost: .1 s for PneumoniaMNIST; four bytes per pixel and channel.

    Source: Yang et al., MedMNIST v2, Scientific Data 2023, doi 10.1038/s41597-022-01721-8; CC BY 4.0.

    Example: ``alfi.data.load("pneumoniamnist").x.shape == (5838, 28, 28, 1)``
    """

    def load(root: Path) -> Dataset:
        path = require(root / "medmnist" / f"{name}.npz", **ORIGIN)
        images, labels = _read(path)
        keep = {split: np.arange(len(images[split])) for split in SPLITS}
        keep["train"] = _first_of_each(images["train"], labels["train"])
        x, y = (np.concatenate([part[split][keep[split]] for split in SPLITS]) for part in (images, labels))
        ids = np.array([f"{name}/{split}/{index}" for split in SPLITS for index in keep[split]])
        split = np.repeat(SPLITS, [len(keep[split]) for split in SPLITS])
        classes = CLASSES.get(name.partition("_")[0]) or tuple(str(label) for label in np.unique(y))
        x = np.divide(x, np.float32(255), dtype=np.float32)
        return checked(str(path), Dataset(x if x.ndim == 4 else x[..., None], y, ids, None, split, classes))

    return load


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """``{split: images[n, h, w] or [n, h, w, 3]}`` and ``{split: labels[n]}``."""
    try:
        # Opened here because np.load leaves its own handle open where the archive is damaged.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            images, labels = ({split: file[f"{split}_{kind}"] for split in SPLITS} for kind in ("images", "labels"))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, TypeError, NotImplementedError) as error:
        raise ValueError(f"{path}: no readable npz ({error}); download it again") from error
    except KeyError as error:
        raise ValueError(f"{path}: got no array {error}, expected {{train,val,test}}_{{images,labels}}") from error
    for split in SPLITS:
        image, label = images[split], labels[split]
        grey_or_rgb = image.dtype == np.uint8 and (image.ndim == 3 or (image.ndim == 4 and image.shape[3] == 3))
        if not grey_or_rgb or image.shape[1:] != images["train"].shape[1:]:
            raise ValueError(
                f"{path}: {split}_images: got {image.dtype} {image.shape}, "
                "expected uint8 (n, h, w) or (n, h, w, 3), the same in each split"
            )
        if label.ndim == 2 and label.shape[1] > 1:
            raise ValueError(f"{path}: {split}_labels: got {label.shape[1]} labels per image (multi-label), expected 1")
        if label.shape not in ((len(image),), (len(image), 1)):
            raise ValueError(f"{path}: {split}_labels: got shape {label.shape}, expected ({len(image)}, 1)")
        labels[split] = label.reshape(-1)
    return images, labels


def _first_of_each(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Indices, in order, of the first of each group of equal (image, label)."""
    first: dict[tuple, int] = {}
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        first.setdefault((image.tobytes(), label.item()), index)
    return np.fromiter(first.values(), int, len(first))
