"""The files of a folder that may still be packed in an archive."""

import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from alfi.data.root import require


class File(NamedTuple):
    """A file that can be read: ``name`` is its path within the folder or archive, ``where`` is told in messages."""

    name: str
    where: str
    read: Callable[[], bytes]

    @property
    def stem(self) -> str:
        return Path(self.name).stem


def on_disk(path: Path, name: str = "") -> File:
    """One file of its own.

    >>> on_disk(Path("images/a.png")).stem
    'a'
    """
    return File(name or path.name, str(path), path.read_bytes)


def members(path: Path, suffix: str, stack: ExitStack, **origin: str) -> list[File]:
    """The files ending in ``suffix`` below the folder ``path``, else in the archive ``path.zip``; ``stack`` closes it.

    Raises FileNotFoundError where neither exists (see ``alfi.data.root.require`` for ``origin``) and ValueError for a
    damaged archive.

    Example: ``members(root / "ham10000" / "HAM10000_images_part_1", ".jpg", stack, source="...", licence="...")``
    """
    if path.is_dir():
        return [on_disk(file, str(file.relative_to(path))) for file in sorted(path.rglob(f"*{suffix}"))]
    packed = require(path.with_name(f"{path.name}.zip"), **origin)
    try:
        archive = stack.enter_context(zipfile.ZipFile(packed))
    except PermissionError:
        raise
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"{packed}: no readable zip archive ({error}); download it again") from error
    names = [name for name in archive.namelist() if name.endswith(suffix) and not name.startswith("__MACOSX/")]
    return [File(name, f"{packed}/{name}", partial(archive.read, name)) for name in names]
