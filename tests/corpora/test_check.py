"""A corpus with planted faults: each is found, a clean one has none, whatever the number of workers."""

import json
import re
from dataclasses import asdict

import numpy as np
import pytest
import soundfile

from linernotes.corpora.check import check_corpus
from linernotes.corpora.check_recording import Finding
from linernotes.corpora.manifest import ManifestError, write_manifest
from linernotes.corpora.splits import SplitLeakError

RATE_HZ = 16_000


def noise(seed, seconds=1.0, rate=RATE_HZ):
    """Noise with a colour of its own: no two seeds sound alike."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.normal(size=int(seconds * rate)))
    hertz = np.fft.rfftfreq(int(seconds * rate), 1 / rate)
    for _ in range(3):
        spectrum *= 1 + 20 * np.exp(-(((hertz - rng.uniform(100, 3_000)) / 150) ** 2))
    signal = np.fft.irfft(spectrum)
    return (0.3 * signal / np.abs(signal).max()).astype(np.float32)


def row(path, split="train", **changes):
    base = {"path": str(path), "labels": ["rock"], "group": str(path), "split": split, "licence": "CC0-1.0"}
    return base | changes


@pytest.fixture
def corpus(tmp_path):
    """corpus(name=signal, ...): WAV files and a manifest of them; a tuple is a signal and changes of its row."""

    def make(**recordings):
        rows = []
        for name, recording in recordings.items():
            signal, changes = recording if isinstance(recording, tuple) else (recording, {})
            soundfile.write(tmp_path / f"{name}.wav", signal, RATE_HZ, subtype="FLOAT")
            rows.append(row(f"{name}.wav", **changes))
        return write_manifest(rows, tmp_path / "manifest.jsonl")

    return make


def kinds(findings):
    return [(finding.rows, finding.kind) for finding in findings]


def test_a_clean_corpus_has_no_faults(corpus):
    place = corpus(
        a=noise(1), b=(noise(2), {"split": "test"}), c=(noise(3, 2.0), {"start_seconds": 0.5, "end_seconds": 1.5})
    )
    assert check_corpus(place, workers=1) == []
    assert check_corpus(place.parent, workers=1) == []


def test_loud_square_waves_short_of_full_scale_are_no_fault(corpus):
    assert check_corpus(corpus(a=0.99 * np.sign(noise(1))), workers=1) == []


@pytest.mark.parametrize(
    ("signal", "kind", "message"),
    [
        (np.zeros(8_000), "silent", r"its peak is 0\.0e\+00 of full scale, under 0\.0001"),
        (noise(1) * 1e-4, "silent", r"its peak is 3\.0e-05 of full scale"),
        (np.full(8_000, 0.25), "constant", r"every sample is 0\.2500"),
        (noise(1) + 0.1, "dc_offset", r"its mean is 0\.100 of full scale, 0\.05 is allowed"),
        (np.clip(noise(1) * 10, -1, 1), "clipped", r"\d+\.\d\d% of its samples are at full scale, 0\.1% are allowed"),
    ],
)
def test_faults_of_level(corpus, signal, kind, message):
    (finding,) = check_corpus(corpus(clean=noise(9), bad=signal), workers=1)
    assert (finding.rows, finding.kind) == ((2,), kind)
    assert finding.paths[0].endswith("bad.wav")
    assert re.match(message, finding.message)


def test_a_hundredth_of_a_percent_at_full_scale_is_no_clipping(corpus):
    signal = noise(1, 2.0)
    signal[:3] = 1.0
    assert check_corpus(corpus(a=signal), workers=1) == []


def test_files_that_cannot_be_read_tell_the_code_of_the_reader(corpus):
    place = corpus(cut=noise(1), nothing=noise(2), text=noise(3), nan=noise(4))
    folder = place.parent
    (folder / "cut.wav").write_bytes((folder / "cut.wav").read_bytes()[:20_000])
    (folder / "nothing.wav").unlink()
    (folder / "text.wav").write_text("not sound at all")
    broken = noise(4)
    broken[5_000] = np.nan
    soundfile.write(folder / "nan.wav", broken, RATE_HZ, subtype="FLOAT")
    findings = check_corpus(place, workers=1)
    assert kinds(findings) == [((1,), "unreadable"), ((2,), "unreadable"), ((3,), "unreadable"), ((4,), "not_finite")]
    assert [finding.message.split(":")[0] for finding in findings] == [
        "truncated",
        "not_found",
        "not_audio",
        "not_finite",
    ]


def test_one_unreadable_recording_is_one_finding_for_all_its_rows(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    halves = [row("a.wav", start_seconds=i * 0.5, end_seconds=i * 0.5 + 0.5) for i in range(2)]
    assert kinds(check_corpus(write_manifest(halves, tmp_path / "m.jsonl"), workers=1)) == [((1, 2), "unreadable")]


def test_lengths_that_are_not_as_stated(corpus):
    place = corpus(
        long=(noise(1), {"end_seconds": 1.2}),
        nearly=(noise(2), {"end_seconds": 1.05}),
        late=(noise(3), {"start_seconds": 3.0, "end_seconds": 4.0}),
        told=(noise(4), {"duration_seconds": 1.5}),
        whole=(noise(5, 2.0), {"end_seconds": 1.0, "duration_seconds": 2.0}),
        part=(noise(6, 2.0), {"end_seconds": 1.0, "duration_seconds": 1.0}),
        untold=(noise(7), {"duration_seconds": None}),
    )
    findings = check_corpus(place, workers=1)
    assert kinds(findings) == [((1,), "length"), ((3,), "length"), ((4,), "length")]
    assert [finding.message for finding in findings] == [
        "ends at 1.2 s, the recording lasts 1.00 s: mend the manifest",
        "starts at 3 s, the recording lasts 1.00 s: mend the manifest",
        "duration_seconds=1.5, but it lasts 1.00 s: mend the manifest or the file",
    ]


def test_excerpts_are_judged_apart(corpus, tmp_path):
    corpus(a=np.concatenate([noise(1), np.zeros(RATE_HZ)]))
    parts = [row("a.wav", start_seconds=float(i), end_seconds=i + 1.0) for i in range(2)]
    assert kinds(check_corpus(write_manifest(parts, tmp_path / "m.jsonl"), workers=1)) == [((2,), "silent")]


def test_the_same_samples_are_duplicates_in_a_split_and_a_leak_across(corpus):
    place = corpus(
        a=noise(1),
        b=noise(2),
        copy_of_a=(noise(1), {"labels": ["pop"]}),
        copy_of_b=(noise(2), {"split": "test"}),
        quiet=np.zeros(8_000),
        quiet_too=np.zeros(8_000),
    )
    samples = np.rint(noise(1) * 2**15).astype(np.int16)
    soundfile.write(place.parent / "a.wav", samples, RATE_HZ)
    soundfile.write(place.parent / "copy_of_a.wav", samples, RATE_HZ, format="FLAC")
    findings = [finding for finding in check_corpus(place, workers=1) if finding.kind != "silent"]
    assert kinds(findings) == [((1, 3), "duplicate"), ((2, 4), "leak")]
    assert findings[0].message == "the same samples, in train, under other labels: keep one of them"
    assert findings[1].message == "the same samples, in test and train: keep one of them"
    assert [path.rsplit("/")[-1] for path in findings[1].paths] == ["b.wav", "copy_of_b.wav"]


def test_copies_at_another_gain_rate_or_bit_rate_are_near_duplicates(corpus):
    signal = noise(1, 3.0)
    place = corpus(a=signal, quieter=0.5 * signal, other=noise(2, 3.0), recoded=(noise(3, 3.0), {"split": "test"}))
    soundfile.write(place.parent / "recoded.wav", signal, RATE_HZ, format="OGG", subtype="VORBIS")
    findings = check_corpus(place, workers=1)
    assert kinds(findings) == [
        ((1, 2), "near_duplicate"),
        ((1, 4), "near_duplicate"),
        ((2, 4), "near_duplicate"),
    ]
    assert findings[1].message.startswith("one length and spectra within 0.75 dB, in test and train: listen")


def test_an_excerpt_of_another_length_is_no_near_duplicate(corpus):
    assert check_corpus(corpus(a=noise(1, 4.0), b=noise(1, 4.0)[: 2 * RATE_HZ] * 0.9), workers=1) == []


def test_blocks_do_not_show(tmp_path):
    """A recording of three blocks is one: the same samples from an excerpt and from a file of its own."""
    signal = noise(1, 25.0)
    soundfile.write(tmp_path / "long.wav", signal, RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "part.wav", signal[4 * RATE_HZ : 22 * RATE_HZ], RATE_HZ, subtype="FLOAT")
    rows = [row("long.wav", start_seconds=4.0, end_seconds=22.0), row("part.wav")]
    assert kinds(check_corpus(write_manifest(rows, tmp_path / "m.jsonl"), workers=1)) == [((1, 2), "duplicate")]


@pytest.mark.parametrize("rate", [4_000, 22_050, 96_000])
def test_recordings_are_heard_at_their_own_rate(tmp_path, rate):
    signal = np.clip(noise(1, 1.0, rate) * 20, -1, 1)
    soundfile.write(tmp_path / "a.wav", signal, rate, subtype="FLOAT")
    (finding,) = check_corpus(write_manifest([row("a.wav")], tmp_path / "m.jsonl"), workers=1)
    assert finding.kind == "clipped"
    share = float(finding.message.split("%")[0]) / 100
    assert share == pytest.approx(np.mean(np.abs(signal) >= 1), rel=0.01)


@pytest.mark.parametrize("name", ["a.raw", "a.m4a"])
def test_names_do_not_mislead(tmp_path, name):
    soundfile.write(tmp_path / "a.wav", noise(1), RATE_HZ)
    (tmp_path / "a.wav").rename(tmp_path / name)
    assert check_corpus(write_manifest([row(name)], tmp_path / "m.jsonl"), workers=1) == []


def test_bytes_in_a_manifest_are_heard(tmp_path):
    for name, signal in (("a", noise(1)), ("b", np.zeros(8_000))):
        soundfile.write(tmp_path / f"{name}.wav", signal, RATE_HZ)
    rows = [row(n, bytes=(tmp_path / f"{n}.wav").read_bytes()) | {"path": None} for n in ("a", "b", "a")]
    rows[2]["group"] = "another"
    findings = check_corpus(write_manifest(rows, tmp_path / "m.parquet"), workers=1)
    assert kinds(findings) == [((1, 3), "duplicate"), ((2,), "silent")]
    assert findings[1].paths == ("row 2",)


def test_order_and_result_do_not_depend_on_the_workers(corpus):
    planted = {f"clip{i}": noise(i) for i in range(12)}
    planted |= {
        "silent": np.zeros(8_000),
        "copy": (noise(5), {"split": "test"}),
        "clipped": np.clip(9 * noise(50), -1, 1),
    }
    place = corpus(**planted)
    (place.parent / "clip3.wav").write_text("no sound")
    alone, together = [], []
    expected = check_corpus(place, workers=1, progress=lambda *at: alone.append(at))
    assert kinds(expected) == [((4,), "unreadable"), ((6, 14), "leak"), ((13,), "silent"), ((15,), "clipped")]
    assert check_corpus(place, workers=2, progress=lambda *at: together.append(at)) == expected
    assert alone == together == [(done, 15) for done in range(1, 16)]


def test_findings_are_json(corpus):
    findings = check_corpus(corpus(a=np.zeros(8_000)), workers=1)
    (told,) = json.loads(json.dumps([asdict(finding) for finding in findings]))
    assert told["rows"] == [1]
    assert told["kind"] == "silent"
    assert Finding((1,), "a", (), "") < Finding((1, 2), "a", (), "") < Finding((2,), "a", (), "")


def test_what_is_no_corpus_is_refused(corpus, tmp_path):
    with pytest.raises(ManifestError, match=r"must hold one \.jsonl or \.parquet manifest, it has none"):
        check_corpus(tmp_path)
    place = corpus(a=noise(1))
    (tmp_path / "other.parquet").write_bytes(b"")
    with pytest.raises(ManifestError, match=r"it has manifest\.jsonl, other\.parquet: give the file's path"):
        check_corpus(tmp_path)
    with pytest.raises(ValueError, match="workers=0 must be 1 or more"):
        check_corpus(place, workers=0)
    lines = [row("a.wav", group="g"), row("a.wav", "test", group="g")]
    place.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(SplitLeakError, match="group 'g' is in test and train"):
        check_corpus(place)


def test_a_build_that_is_not_finished_is_told_apart(tmp_path):
    (tmp_path / "audio" / "test").mkdir(parents=True)
    (tmp_path / "audio" / "test" / "000000.flac").write_bytes(b"")
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(ManifestError, match=r"not finished \(1 clips so far, no manifest\.jsonl\): give the same"):
        check_corpus(tmp_path)
