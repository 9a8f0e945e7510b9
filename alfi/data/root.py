"""Where data sets lie, and what to say when one does not."""

import os
from pathlib import Path


def data_root(root: str | os.PathLike | None = None) -> Path:
    """``root``, else ``ALFI_DATA``, else ``../shared/data`` where it exists, else ``~/.cache/alfi``; it need not exist.

    Example: ``data_root("downloads") / "medmnist"``
    """
    if named := root or os.environ.get("ALFI_DATA"):
        return Path(named).expanduser()
    beside = Path("../shared/data")
    return beside if beside.is_dir() else Path.home() / ".cache" / "alfi"


def require(path: Path, *, source: str, licence: str) -> Path:
    """``path`` if it exists, else a FileNotFoundError of one line: what to download, from whom, where to put it.

    Raises PermissionError where it may not be read.

    Example: ``require(root / "medmnist" / "breastmnist.npz", source="zenodo.org", licence="CC BY 4.0")``
    """
    if path.exists():
        if not os.access(path, os.R_OK):
            raise PermissionError(f"{path.absolute()}: no permission to read it: chmod u+r, or ask its owner")
        return path
    raise FileNotFoundError(
        f"{path.absolute()} not found: download {path.name} from {source}, licence {licence}, and put it there, "
        f"or name the folder that holds {path.parent.name}/ by root= or ALFI_DATA"
    )
