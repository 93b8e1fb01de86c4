"""Codes that are kept: those that the model itself hears, encoded anew only where something changed."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from pocket_codec import RATE, noise, tiny_codec

from linernotes.corpora.labelled_sets import as_dataset
from linernotes.modeling.modeling_mega_audioformer import MegaAudioFormerModel
from linernotes.training.code_views import code_view, hidden_spans
from linernotes.training.codec_tokens import (
    Preparation,
    code_shares,
    codec_folder,
    decoded,
    load_codec,
    read_row,
    row_identity,
    with_codes,
)

BOOKS = 16


@pytest.fixture(scope="module")
def codec(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("codec")
    tiny_codec().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    made = []
    for number in range(3):
        soundfile.write(folder / f"{number}.wav", noise(1.0 + 0.4 * number, seed=number), RATE, subtype="FLOAT")
        made.append(row(folder / f"{number}.wav", f"clip {number}"))
    return as_dataset(made)


def row(path: Path, clip: str, **more) -> dict:
    about = {"label": "x", "group": clip, "split": "train", "licence": "CC0", "clip": clip, "source": "s"}
    where = {"audio": {"path": str(path), "bytes": None}, "start_seconds": 0.0, "end_seconds": None, "channel": None}
    return {**where, **about, "evaluation": "test", **more}


def encoded(rows, codec, folder, **options):
    return with_codes(rows, codec, Preparation(seconds=1.0), bandwidth_kbps=12.0, kept_in=folder, **options)


def test_codes_are_those_that_the_model_hears(rows, codec, tmp_path):
    codes = decoded(encoded(rows, codec, tmp_path), BOOKS, BOOKS)
    model = MegaAudioFormerModel.from_codec(codec, bandwidth_kbps=12.0, hidden_size=32, num_hidden_layers=1)
    for heard, source in zip(codes, rows, strict=True):
        sound = torch.from_numpy(soundfile.read(source["audio"]["path"], dtype="float32")[0])
        start = (len(sound) - RATE) // 2
        expected, _ = model.codec.tokens(sound[None, start : start + RATE])
        assert np.array_equal(heard, expected[0].numpy())


def test_fewer_books_are_the_first_of_more(rows, codec, tmp_path):
    many = encoded(rows, codec, tmp_path)
    two = with_codes(rows, codec, Preparation(seconds=1.0), bandwidth_kbps=1.5, kept_in=tmp_path)
    for first, all_books in zip(decoded(two, 2, 2), decoded(many, BOOKS, BOOKS), strict=True):
        assert np.array_equal(first, all_books[:2])
    assert all(len(codes) == 2 for codes in decoded(many, 2, BOOKS))


def test_what_was_encoded_is_read_again_until_something_changes(rows, codec, tmp_path):
    first = encoded(rows, codec, tmp_path)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.arrow")}
    assert len(kept) == 1
    assert encoded(rows, codec, tmp_path)[:] == first[:]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.arrow")} == kept
    with_codes(rows, codec, Preparation(seconds=0.5), bandwidth_kbps=12.0, kept_in=tmp_path)
    assert len(list(tmp_path.glob("*.arrow"))) == 2, "another preparation"
    louder = tiny_codec()
    louder.quantizer.layers[0].codebook.embed += 0.1
    louder.save_pretrained(tmp_path / "other")
    encoded(rows, str(tmp_path / "other"), tmp_path)
    assert len(list(tmp_path.glob("*.arrow"))) == 3, "another codec"


def test_several_processes_encode_the_same(rows, codec, tmp_path):
    alone = encoded(rows, codec, tmp_path / "one")
    together = encoded(rows, codec, tmp_path / "two", processes=2)
    assert alone["codes"][:] == together["codes"][:]


def test_copies_are_varied_and_the_first_is_plain(rows, codec, tmp_path):
    plain, varied = encoded(rows, codec, tmp_path), encoded(rows, codec, tmp_path, copies=2)
    assert varied["copy"][:] == [0] * 3 + [1] * 3 + [2] * 3
    assert varied["codes"][:3] == plain["codes"][:]
    assert varied["codes"][3] != varied["codes"][6] != plain["codes"][0]


def test_copies_are_of_another_size_and_room(tmp_path):
    tone = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE)
    soundfile.write(tmp_path / "tone.wav", tone, RATE, subtype="FLOAT")
    played = [row(tmp_path / "tone.wav", "tone") | {"copy": copy} for copy in range(9)]

    def pitches(options: Preparation) -> list[float]:
        """In semitones above 1,000 Hz."""
        heard = [options.sound(each, RATE)[:RATE] for each in played]
        return [12 * np.log2(np.abs(np.fft.rfft(sound)).argmax() / 1000) for sound in heard]

    semitones = pitches(Preparation(effects=0.0, semitones=2.0))
    assert semitones[0] == 0
    assert 0.5 < max(map(abs, semitones)) <= 2.1
    assert pitches(Preparation(effects=0.0, semitones=0.0)) == [0.0] * 9
    dry, wet = (Preparation(semitones=0.0, effects=effects) for effects in (0.0, 1.0))
    assert np.array_equal(dry.sound(played[0], RATE), wet.sound(played[0], RATE))
    assert not any(np.allclose(dry.sound(each, RATE), wet.sound(each, RATE), atol=0.01) for each in played[1:])


def test_sound_is_prepared_alike_and_the_same_every_time(rows):
    options = Preparation(seconds=1.0, level_db=(-20.0, -20.0), highest_hz=4000.0, recode=True)
    heard = options.sound({**rows[1], "copy": 0}, RATE)
    assert np.array_equal(heard, options.sound({**rows[1], "copy": 0}, RATE))
    assert len(heard) == RATE
    level = Preparation(seconds=1.0, level_db=(-20.0, -20.0)).sound({**rows[1], "copy": 0}, RATE)
    assert 20 * np.log10(np.sqrt(np.mean(level**2))) == pytest.approx(-20.0, abs=0.1)
    spectrum = np.abs(np.fft.rfft(heard)) ** 2
    assert spectrum[9000:].sum() < 0.01 * spectrum.sum(), "above 9 kHz there is next to nothing"


def test_one_channel_is_heard_alone(tmp_path):
    stereo = np.stack([np.full(RATE, 0.5), np.full(RATE, -0.5)], axis=1)
    soundfile.write(tmp_path / "two.wav", stereo, RATE, subtype="FLOAT")
    assert read_row(row(tmp_path / "two.wav", "both"), RATE).mean() == pytest.approx(0.0, abs=1e-6)
    assert read_row(row(tmp_path / "two.wav", "left", channel=0), RATE).mean() == pytest.approx(0.5, abs=1e-3)
    part = row(tmp_path / "two.wav", "right", channel=1, start_seconds=0.25, end_seconds=0.5)
    assert read_row(part, RATE) == pytest.approx(np.full(RATE // 4, -0.5), abs=1e-3)


def test_a_voice_is_laid_over_the_middle_at_its_level(tmp_path):
    times = np.arange(2 * RATE) / RATE
    band, voice = 0.2 * np.sin(2 * np.pi * 110 * times), 0.05 * np.sin(2 * np.pi * 440 * times[:RATE])
    soundfile.write(tmp_path / "band.wav", band, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "voice.wav", np.stack([0 * voice, voice], axis=1), RATE, subtype="FLOAT")
    over = {"path": str(tmp_path / "voice.wav"), "channel": 1, "level_db": -6.0}
    plain = row(tmp_path / "band.wav", "band")
    sung = read_row(plain | {"over": over}, RATE)
    added = sung - read_row(plain, RATE)
    assert np.abs(added[: RATE // 2]).max() == np.abs(added[-RATE // 2 :]).max() == 0.0, "a second of voice in two"
    expected = 10 ** (-6 / 20) * 0.2 * np.sin(2 * np.pi * 440 * times[:RATE])
    assert added[RATE // 2 : 3 * RATE // 2] == pytest.approx(expected, abs=1e-3)
    empty = {"path": None, "channel": None, "level_db": None}
    assert np.array_equal(read_row(plain | {"over": empty}, RATE), read_row(plain, RATE))


def test_what_lies_over_a_row_is_part_of_its_identity(tmp_path):
    soundfile.write(tmp_path / "band.wav", np.zeros(RATE), RATE)
    plain = row(tmp_path / "band.wav", "band") | {"copy": 0}
    over = {"path": "voice.wav", "channel": 1, "level_db": -6.0}
    sung = [plain | {"over": over}, plain | {"over": over | {"level_db": 0.0}}]
    assert len({str(row_identity(each)) for each in (plain, *sung)}) == 3
    empty = {"path": None, "channel": None, "level_db": None}
    assert row_identity(plain | {"over": empty}) == row_identity(plain), "what was heard before is not heard anew"


def test_a_codec_that_is_nowhere_is_refused():
    with pytest.raises(FileNotFoundError, match="the codec is 'no such codec': no such codec in"):
        codec_folder("no such codec")


def test_a_codec_with_too_few_books_is_refused(codec):
    with pytest.raises(ValueError, match=r"bandwidth_kbps is 48\.0: choose one that it has codebooks for"):
        load_codec(codec, 48.0)


def test_code_shares_count_entries():
    shares = code_shares([np.array([[0, 0, 1, 3], [2, 2, 2, 2]])], codebook_size=4)
    assert shares.tolist() == [[0.5, 0.25, 0.0, 0.25, 0.0, 0.0, 1.0, 0.0]]


def test_views_cut_fill_and_mask():
    view = code_view([np.arange(20).reshape(2, 10), np.arange(6).reshape(2, 3)], 4, False, {"labels": [1, 0]})
    batch = view[:]
    assert batch["codes"][0].tolist() == [[3, 4, 5, 6], [13, 14, 15, 16]]
    assert batch["codes"][1].tolist() == [[0, 1, 2, 0], [3, 4, 5, 0]]
    assert [mask.tolist() for mask in batch["attention_mask"]] == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert batch["labels"] == [1, 0]
    torch.manual_seed(0)
    varied = code_view([np.arange(20).reshape(2, 10)], 4, True, {"labels": [1]})
    assert len({varied[0]["codes"][0, 0].item() for _ in range(30)}) > 3


def test_hidden_spans_hide_no_more_than_asked():
    config = MegaAudioFormerModel.config_class(bandwidth_kbps=1.5)
    torch.manual_seed(0)
    hidden = [hidden_spans(torch.zeros(2, 300, dtype=torch.long), 0.2, config) == 1024 for _ in range(50)]
    shares = [part[0].float().mean().item() for part in hidden]
    assert max(shares) <= 0.2
    assert 0.05 < np.mean(shares) < 0.15
    assert all(torch.equal(part[0], part[1]) for part in hidden), "a frame's codes are hidden together"
