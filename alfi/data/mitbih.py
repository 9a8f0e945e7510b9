"""MIT-BIH arrhythmia: single heart beats of 44 records, in the classes of the AAMI."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alfi.data.checks import checked
from alfi.data.facts import Facts
from alfi.data.root import require
from alfi.typing import Dataset

ORIGIN = {
    "source": "PhysioNet (Moody and Mark 2001), https://doi.org/10.13026/C2F305",
    "licence": "ODC-By 1.0",
}
FACTS = (
    Facts(
        "mitbih",
        "ECG beats: 4 AAMI classes",
        "100,718 beats of 44 records",
        citation="Moody and Mark, IEEE EMB Magazine 20(3):45, 2001",
        files=("mitdb/*",),
        **ORIGIN,
    ),
)
PREPARED = "mitbih_aami_beats187_125hz.npz"
CLASSES = ("N", "S", "V", "F")  # and Q, unclassifiable: 15 beats, dropped
SYMBOLS = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F", "Q": "/fQ"}  # the annotators' symbols of each AAMI class
# The 44 unpaced records (not 102, 104, 107, 217) in the two sets of de Chazal et al. 2004, balanced in their classes.
DS1 = (
    *(101, 106, 108, 109, 112, 114, 115, 116, 118, 119, 122),
    *(124, 201, 203, 205, 207, 208, 209, 215, 220, 223, 230),
)
DS2 = (
    *(100, 103, 105, 111, 113, 117, 121, 123, 200, 202, 210),
    *(212, 213, 214, 219, 221, 222, 228, 231, 232, 233, 234),
)
SAME_PATIENT = {202: 201}
RATE, UP, DOWN = 125, 25, 72  # Hz; 360 Hz of the records times 25 / 72
BEFORE, LENGTH = 93, 187  # samples before the R peak, and of a beat: 1.5 s
UNIT = 100  # per mV: beats are whole multiples of 10 uV

# What is known of each beat, read from either source: beats int16 [n, 187], the others [n].
Columns = dict[str, np.ndarray]


def load(
    root: Path,
    *,
    records: Sequence[int] | None = None,
    prepared: bool | None = None,
    shared_patient: bool = False,
    intervals: bool | str = False,
) -> Dataset:
    """98,582 beats x[n, 187, 1] in mV, classes N, S, V, F; de Chazal's DS1 is train (51,013), DS2 is test (47,569).

    Read from ``root/mitdb``: the beats ``mitbih_aami_beats187_125hz.npz`` where that file is, else PhysioNet's records
    (``100.hea``, ``100.dat``, ``100.atr`` ...), of which the same beats are made: lead MLII, resampled from 360 to
    125 Hz (polyphase, ``scipy.signal.resample_poly``), less its baseline (a median over 200 ms, then one over 600 ms of
    that, zeros beyond the ends), rounded to 10 uV; 187 samples with the R peak at 93, the edge value repeated beyond
    the ends of the record. Classes are the AAMI's; the 15 beats of class Q (paced, unclassifiable) are dropped.

    records         these only (numbers, as in ``DS1`` and ``DS2``); all 44 unless told otherwise
    prepared        True: the npz; False: the records; None: the npz where it is
    shared_patient  True keeps record 202 in test, as the literature does (then 49,705 beats). It is said to be of the
                    patient of record 201, which is in train, so without it no patient is on both sides
    intervals       True: x[n, 187, 3], two more channels that hold the times in s from the R peak before to this one
                    and from this one to the next (the record's median at its first and last beat): all that tells a
                    premature beat (S) from a normal one of the same form
                    "relative": in units of the record's median, which takes out the patient's own heart rate

    ``groups`` are patients: the record, 201 for 202. ``ids`` are ``mitbih/RECORD/SAMPLE``, the R peak at 125 Hz.

    Raises FileNotFoundError (what to download, from whom) and ValueError (unknown record; damaged ones by name, with
    the number of those that are fine). Cost: .5 s for the npz, 5 s for the 44 records.

    Source: Moody and Mark, IEEE Eng. Med. Biol. 2001, doi 10.1109/51.932724, ODC-By 1.0; split: de Chazal et al., IEEE
    Trans. Biomed. Eng. 2004, doi 10.1109/TBME.2004.827359; classes: ANSI/AAMI EC57.

    Example: ``alfi.data.load("mitbih", records=(100, 208), intervals=True).x.shape[1:] == (187, 3)``
    """
    if intervals not in (True, False, "relative"):
        raise ValueError(f"mitbih: intervals: got {intervals!r}, expected True, False or 'relative'")
    everything = (*DS1, *DS2)
    wanted = sorted(set(everything if records is None else records))
    unknown = [record for record in wanted if record not in everything]
    if unknown or not wanted:
        expected = f"some of {', '.join(map(str, sorted(everything)))}"
        raise ValueError(f"mitbih: records: got {', '.join(map(str, unknown)) or 'none'}, expected {expected}")
    folder = root / "mitdb"
    path = folder / PREPARED
    if prepared is None:
        prepared = path.exists()
    beats = _prepared(require(path, **ORIGIN)) if prepared else _raw(folder, wanted)
    if missing := sorted(set(wanted) - set(beats["record"].tolist())):
        raise ValueError(f"{path}: got no beat of record {', '.join(map(str, missing))}, expected all 44 records")
    keep = (beats["label"] < len(CLASSES)) & np.isin(beats["record"], wanted)
    if not shared_patient:
        keep &= ~(np.isin(beats["record"], list(SAME_PATIENT)) & np.isin(201, wanted))
    beats = {name: column[keep] for name, column in beats.items()}
    return checked(str(path if prepared else folder), _dataset(beats, intervals))


def _dataset(beats: Columns, intervals: bool | str) -> Dataset:
    x = (beats["beats"] / np.float32(UNIT))[..., None]
    if intervals:
        seconds = np.stack([beats["rr_pre"], beats["rr_post"]], axis=-1)[:, None]
        if intervals == "relative":
            _, which = np.unique(beats["record"], return_inverse=True)
            medians = np.array([np.median(seconds[which == record]) for record in range(which.max() + 1)])
            seconds = seconds / medians[which][:, None, None]
        x = np.concatenate([x, np.broadcast_to(seconds, (len(x), LENGTH, 2))], axis=-1, dtype=np.float32)
    pairs = zip(beats["record"], beats["rpeak"], strict=True)
    ids = np.array([f"mitbih/{record}/{peak}" for record, peak in pairs])
    groups = np.array([SAME_PATIENT.get(record, record) for record in beats["record"].tolist()], np.int32)
    return Dataset(x, beats["label"], ids, groups, np.where(np.isin(beats["record"], DS1), "train", "test"), CLASSES)


def _prepared(path: Path) -> Columns:
    """Columns of the npz."""
    names = ("beats", "label", "record", "rpeak", "rr_pre", "rr_post")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            columns = {name: file[name] for name in names}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, TypeError, NotImplementedError) as error:
        raise ValueError(f"{path}: no readable npz ({error}); get it again") from error
    except KeyError as error:
        raise ValueError(f"{path}: got no array {error}, expected {', '.join(names)}") from error
    n = len(columns["label"])
    for name, column in columns.items():
        expected = (n, LENGTH) if name == "beats" else (n,)
        if column.shape != expected:
            raise ValueError(f"{path}: {name}: got shape {column.shape}, expected {expected}")
    return columns


def _raw(folder: Path, records: Sequence[int]) -> Columns:
    """Columns of PhysioNet's records, one after the other."""
    for record in records:
        for kind in ("hea", "dat", "atr"):
            require(folder / f"{record}.{kind}", **ORIGIN)
    parts, broken = [], []
    for record in records:
        try:
            parts.append(read_record(folder / str(record)))
        except (OSError, ValueError, IndexError, KeyError, TypeError, AssertionError) as error:
            broken.append(f"{folder / str(record)} ({error})")
    if broken:
        raise ValueError(
            f"{len(broken)} of {len(records)} records unreadable, the other {len(parts)} are fine: "
            f"{'; '.join(broken[:5])}; download them again from {ORIGIN['source']}"
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def read_record(path: Path) -> Columns:
    """The beats of one WFDB record (its path without suffix), with class Q, as columns ``beats``, ``label`` ...

    Example: ``read_record(root / "mitdb" / "100")["beats"].shape == (2273, 187)``
    """
    import wfdb

    record = wfdb.rdrecord(str(path), channel_names=["MLII"])
    if record.p_signal is None or record.p_signal.shape[1:] != (1,):
        raise ValueError("got no lead MLII, expected one")
    annotation = wfdb.rdann(str(path), "atr")
    label_of = {symbol: label for label, symbols in enumerate(SYMBOLS.values()) for symbol in symbols}
    is_beat = np.isin(annotation.symbol, list(label_of))
    samples = annotation.sample[is_beat]
    if len(samples) < 2:
        raise ValueError(f"got {len(samples)} annotated beats, expected at least two")
    signal = flattened(record.p_signal[:, 0])
    peaks = np.rint(samples * (UP / DOWN)).astype(np.int32)
    if peaks[-1] >= len(signal):
        raise ValueError(f"got a beat at sample {samples[-1]}, expected it within the {record.sig_len} samples")
    around = np.pad(signal, (BEFORE, LENGTH), mode="edge")[peaks[:, None] + np.arange(LENGTH)]
    apart = np.diff(samples) / record.fs
    usual = [np.median(apart)]
    return {
        "beats": np.rint(UNIT * around).astype(np.int16),
        "label": np.array([label_of[symbol] for symbol in np.array(annotation.symbol)[is_beat]], np.int8),
        "record": np.full(len(peaks), int(path.name), np.int16),
        "rpeak": peaks,
        "rr_pre": np.concatenate([usual, apart]).astype(np.float32),
        "rr_post": np.concatenate([apart, usual]).astype(np.float32),
    }


def flattened(signal: np.ndarray) -> np.ndarray:
    """A lead at 360 Hz resampled to 125 Hz, less its baseline; same unit.

    The median over 200 ms takes QRS complexes and P waves away, that over 600 ms the T waves; what is left is baseline.

    Example: ``flattened(np.ones(3600)).shape == (1250,)``
    """
    from scipy.signal import medfilt, resample_poly

    resampled = resample_poly(signal, UP, DOWN)
    return resampled - medfilt(medfilt(resampled, RATE // 5), 3 * RATE // 5)
