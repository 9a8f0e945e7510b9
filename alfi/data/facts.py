"""What is to be known of a data set before it is read: task, size, licence, citation, where it comes from."""

from pathlib import Path
from typing import NamedTuple


class Facts(NamedTuple):
    """One row of ``python -m experiments.data``; each reader has its own as ``FACTS``, a tuple of these.

    name      as ``alfi.data.load`` knows it
    task      what is to be predicted, in a few words
    size      examples, as distributed
    licence   of the data, not of this library
    citation  what a publication has to cite
    source    where to get it, with an address; empty for what an installed library carries
    files     what must lie below the data root: glob patterns, relative to it
    """

    name: str
    task: str
    size: str
    licence: str
    citation: str
    source: str = ""
    files: tuple[str, ...] = ()


def missing(facts: Facts, root: Path) -> tuple[str, ...]:
    """Those of ``facts.files`` that nothing below ``root`` matches.

    >>> missing(Facts("mine", "", "", "", "", files=("mine/images*",)), Path("no/such/folder"))
    ('mine/images*',)
    """
    return tuple(pattern for pattern in facts.files if not any(root.glob(pattern)))
