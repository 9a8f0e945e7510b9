"""MIT-BIH: the prepared beats against the records they were made of, and small made records for the rest."""

import numpy as np
import pytest

import alfi.data
from alfi.data import mitbih
from alfi.data.root import data_root

RATE = 360


@pytest.fixture
def write(tmp_path):
    """Writes a record of one minute: a beat of 1 mV each 0.8 s on a slow baseline, MLII the second of two leads."""
    wfdb = pytest.importorskip("wfdb")
    folder = tmp_path / "mitdb"
    folder.mkdir()

    def save(record, symbols="N" * 20, leads=("V5", "MLII")):
        seconds = np.arange(60 * RATE) / RATE
        peaks = (0.1 + 0.8 * np.arange(len(symbols)) * RATE).astype(int) + 10
        peaks[5:] += 40  # one beat comes late
        lead = sum(np.exp(-(((seconds - peak / RATE) / 0.02) ** 2) / 2) for peak in peaks)
        lead = lead + 0.3 * np.sin(2 * np.pi * 0.05 * seconds) + 0.7
        signal = np.stack([lead if name == "MLII" else np.zeros_like(lead) for name in leads], axis=1)
        units = ["mV"] * len(leads)
        formats, gains, zeros = ["212"] * len(leads), [200.0] * len(leads), [0] * len(leads)
        wfdb.wrsamp(
            str(record), RATE, units, list(leads), signal, fmt=formats, adc_gain=gains, baseline=zeros, write_dir=folder
        )
        samples, marks = np.insert(peaks, 0, 5), ["+", *symbols]  # a change of rhythm is no beat
        wfdb.wrann(str(record), "atr", samples, marks, aux_note=["(N", *[""] * len(symbols)], write_dir=str(folder))
        return folder, peaks

    return save


def test_beats_classes_and_intervals_of_made_records(write, tmp_path):
    symbols = "NLRejAaJSVEF/fQNN"
    _, peaks = write(101, symbols)
    write(100)
    data = alfi.data.load("mitbih", root=tmp_path, records=(101, 100), intervals=True)
    train = data.split == "train"
    assert data.ids[0] == "mitbih/100/3"
    assert set(data.groups[train]) == {101}
    assert set(data.groups[~train]) == {100}
    assert "".join(data.classes[label] for label in data.y[train]) == "NNNNNSSSSVVFNN"
    beats = data.x[..., 0]
    np.testing.assert_array_equal(beats[2:].argmax(1), 93)
    np.testing.assert_allclose(beats[2:].max(1), 1, atol=0.06)  # 0.3 mV of baseline and 0.7 mV of offset are gone
    assert abs(np.median(beats)) < 0.01
    np.testing.assert_allclose(beats * 100, np.rint(beats * 100), atol=1e-4)  # whole multiples of 10 uV
    apart = np.diff(peaks) / RATE
    usual = np.median(apart)
    kept = [*range(12), 15, 16]
    np.testing.assert_allclose(data.x[train][:, 0, 1], np.append(usual, apart)[kept], rtol=1e-6)
    np.testing.assert_allclose(data.x[train][:, 50, 2], np.append(apart, usual)[kept], rtol=1e-6)
    assert apart.max() - usual > 0.1
    relative = alfi.data.load("mitbih", root=tmp_path, records=(101, 100), intervals="relative")
    seconds = data.x[train][:, 0, 1:]
    np.testing.assert_allclose(relative.x[train][:, 0, 1:], seconds / np.median(seconds), rtol=1e-6)
    with pytest.raises(ValueError, match="intervals"):
        alfi.data.load("mitbih", root=tmp_path, records=(101, 100), intervals="seconds")


def test_a_slow_reference_of_the_whole_pipeline(write):
    """Medians by sorting; resampling at one point by the sum over the kernel that SciPy documents."""
    from scipy.signal import firwin

    folder, peaks = write(100)
    lead = pytest.importorskip("wfdb").rdrecord(str(folder / "100")).p_signal[:, 1]
    kernel = 25 * firwin(20 * 72 + 1, 1 / 72, window=("kaiser", 5.0))
    n = -(-len(lead) * 25 // 72)
    slow = np.zeros(n)
    for k in range(n):
        source = np.arange(max(0, -(-(72 * k - 720) // 25)), min(len(lead), (72 * k + 720) // 25 + 1))
        slow[k] = kernel[72 * k - 25 * source + 720] @ lead[source]

    def median(x, width):
        padded = np.pad(x, width // 2)
        return np.array([np.sort(padded[i : i + width])[width // 2] for i in range(len(x))])

    flat = slow - median(median(slow, 25), 75)
    beats = mitbih.read_record(folder / "100")
    for row, peak in enumerate(peaks):
        where = np.clip(round(peak * 125 / 360) - 93 + np.arange(187), 0, n - 1)
        np.testing.assert_allclose(beats["beats"][row], 100 * flat[where], atol=0.5 + 1e-6)


def test_the_record_of_the_same_patient_is_left_out_of_test_unless_wanted(write, tmp_path):
    for record in (201, 202, 100):
        write(record)
    records = (100, 201, 202)
    data = alfi.data.load("mitbih", root=tmp_path, records=records)
    test = data.split == "test"
    assert not set(data.groups[test]) & set(data.groups[~test])
    assert {name.split("/")[1] for name in data.ids} == {"100", "201"}
    both = alfi.data.load("mitbih", root=tmp_path, records=records, shared_patient=True)
    of_202 = np.char.startswith(both.ids, "mitbih/202/")
    assert set(both.groups[of_202]) == {201}
    assert set(both.split[of_202]) == {"test"}
    alone = alfi.data.load("mitbih", root=tmp_path, records=(100, 202))
    assert {name.split("/")[1] for name in alone.ids} == {"100", "202"}


def test_the_two_sets_are_disjoint_and_unpaced():
    assert len(mitbih.DS1) == len(mitbih.DS2) == 22
    assert len(set(mitbih.DS1 + mitbih.DS2) - {102, 104, 107, 217}) == 44


@pytest.mark.parametrize("records", [(), (102,), (100, 7)])
def test_unknown_records_are_named(tmp_path, records):
    with pytest.raises(ValueError, match=f"records: got {records[-1] if records else 'none'}, expected some of 100, "):
        alfi.data.load("mitbih", root=tmp_path, records=records)


def test_missing_records_say_which_and_from_whom(write, tmp_path):
    write(101)
    with pytest.raises(FileNotFoundError, match=r"100\.hea not found: .*10\.13026.*ODC-By"):
        alfi.data.load("mitbih", root=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"mitbih_aami_beats187_125hz\.npz not found"):
        alfi.data.load("mitbih", root=tmp_path, prepared=True)


@pytest.mark.parametrize("suffix", ["dat", "hea", "atr"])
@pytest.mark.parametrize("kept", [0, 21])
def test_damaged_records_are_named_and_the_others_counted(write, tmp_path, suffix, kept):
    for record in (100, 101, 103):
        folder, _ = write(record)
    path = folder / f"101.{suffix}"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        ValueError, match=r"1 of 3 records unreadable, the other 2 are fine: \S*mitdb/101 \(.+\)"
    ) as error:
        alfi.data.load("mitbih", root=tmp_path, records=(100, 101, 103))
    assert "\n" not in str(error.value)


def test_a_record_without_the_lead_is_named(write, tmp_path):
    write(100, leads=("V5", "V2"))
    with pytest.raises(ValueError, match=r"mitdb/100 \(.*MLII"):
        alfi.data.load("mitbih", root=tmp_path, records=(100,))


def test_annotations_beyond_a_shorter_signal_are_no_beats(write, tmp_path):
    folder, _ = write(100)
    other, _ = write(101, "N" * 60)
    (other / "101.atr").replace(folder / "100.atr")
    header = (folder / "100.hea").read_text().replace("21600", "7200")
    (folder / "100.hea").write_text(header)
    with pytest.raises(ValueError, match=r"got a beat at sample \d+, expected it within the 7200 samples"):
        alfi.data.load("mitbih", root=tmp_path, records=(100,))


def columns(n=4, **changed):
    made = {
        "beats": np.zeros((n, 187), np.int16),
        "label": np.arange(n, dtype=np.int8) % 5,
        "record": np.full(n, 100, np.int16),
        "rpeak": 100 * np.arange(n),
        "rr_pre": np.ones(n, np.float32),
        "rr_post": np.ones(n, np.float32),
    }
    return {name: column for name, column in (made | changed).items() if column is not None}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rr_pre": None}, "got no array 'rr_pre.*expected beats, label"),
        ({"beats": np.zeros((4, 186), np.int16)}, r"beats: got shape \(4, 186\), expected \(4, 187\)"),
        ({"rpeak": np.zeros(4, int)}, "ids: got .*mitbih/100/0.* 4 times"),
        ({"label": np.full(4, -1)}, "labels: got -1"),
        ({"record": np.full(4, 103)}, "got no beat of record 100, expected all 44"),
    ],
)
def test_wrong_arrays_of_the_prepared_beats_are_named(tmp_path, changed, message):
    (tmp_path / "mitdb").mkdir()
    path = tmp_path / "mitdb" / mitbih.PREPARED
    np.savez(path, **columns(**changed))
    with pytest.raises(ValueError, match=message) as error:
        alfi.data.load("mitbih", root=tmp_path, records=(100,))
    assert str(error.value).startswith(str(path))


def test_a_truncated_npz_is_named_and_class_q_is_dropped(tmp_path):
    (tmp_path / "mitdb").mkdir()
    path = tmp_path / "mitdb" / mitbih.PREPARED
    np.savez(path, **columns(10))
    assert alfi.data.load("mitbih", root=tmp_path, records=(100,)).y.tolist() == [0, 1, 2, 3] * 2
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"125hz\.npz: no readable npz"):
        alfi.data.load("mitbih", root=tmp_path, records=(100,))


@pytest.fixture
def real():
    if not (data_root() / "mitdb" / mitbih.PREPARED).exists():
        pytest.skip(f"no mitdb/{mitbih.PREPARED} under {data_root()}")
    return data_root()


@pytest.mark.data
def test_real_beats_and_the_patients_of_both_sides(real):
    data = alfi.data.load("mitbih")
    test = data.split == "test"
    assert np.bincount(data.y[~test]).tolist() == [45866, 944, 3788, 415]
    assert np.bincount(data.y[test]).tolist() == [42198, 1782, 3202, 387]
    assert not set(data.groups[test]) & set(data.groups[~test])
    assert data.x.shape == (98582, 187, 1)
    everything = alfi.data.load("mitbih", shared_patient=True)
    assert np.bincount(everything.y[everything.split == "test"]).tolist() == [44259, 1837, 3221, 388]
    assert len(np.unique(everything.groups)) == 43


@pytest.mark.data
@pytest.mark.parametrize("record", [100, 208, 222, 231])
def test_the_records_give_exactly_the_prepared_beats(real, record):
    if not (real / "mitdb" / f"{record}.dat").exists():
        pytest.skip(f"no mitdb/{record}.dat under {real}")
    made, prepared = (
        alfi.data.load("mitbih", records=(record,), prepared=prepared, intervals=True) for prepared in (False, True)
    )
    for ours, theirs in zip(made, prepared, strict=True):
        np.testing.assert_array_equal(ours, theirs)
