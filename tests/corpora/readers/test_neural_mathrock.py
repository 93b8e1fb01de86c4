"""anggars/neural-mathrock by its card: classes as numbers, one emotion or several, sound in the tables or beside."""

import pytest
from datasets import Audio, ClassLabel, Dataset, List

from linernotes.corpora.manifest import ManifestError, make_manifest, with_waveforms
from linernotes.corpora.readers import hub
from linernotes.corpora.readers.neural_mathrock import EMOTIONS, from_hub, read
from linernotes.corpora.splits import SplitLeakError, split_of

MBTI = [
    *("INTJ", "INTP", "ENTJ", "ENTP", "INFJ", "INFP", "ENFJ", "ENFP"),
    *("ISTJ", "ISFJ", "ESTJ", "ESFJ", "ISTP", "ISFP", "ESTP", "ESFP"),
]


def columns(sound_bytes=None, artist=("TTNG", "Ttng ", "American Football"), **changes):
    names = [f"chunk_{i}.wav" for i in range(3)]
    table = {
        "artist": list(artist),
        "song": ["Cat Fantastic", "Cat Fantastic", "Never Meant"],
        "display_name": ["a", "b", "c"],
        "file_name": names,
        "mbti": [5, 5, 4],
        "emotion": [EMOTIONS.index("joy"), EMOTIONS.index("love"), EMOTIONS.index("sadness")],
    }
    if sound_bytes is not None:
        table["audio"] = [{"path": name, "bytes": sound_bytes(name)} for name in names]
    return table | changes


def typed(table):
    """With the class labels of the card."""
    dataset = Dataset.from_dict(table).cast_column("mbti", ClassLabel(names=MBTI))
    feature = ClassLabel(names=list(EMOTIONS))
    is_many = isinstance(table["emotion"][0], list)
    return dataset.cast_column("emotion", List(feature) if is_many else feature)


@pytest.fixture
def typed_hub(fake_hub, monkeypatch):
    """The Hub, with classes as numbers."""
    load = hub.load_dataset

    def load_dataset(*args, **options):
        load(*args, **options)
        tables = {split: typed(table) for split, table in fake_hub.splits.items()}
        return {s: t.cast_column("audio", Audio()) if "audio" in t.column_names else t for s, t in tables.items()}

    monkeypatch.setattr(hub, "load_dataset", load_dataset)
    return fake_hub


def test_chunks_are_rows(typed_hub, tmp_path, sound_bytes):
    typed_hub.splits = {"train": columns(sound_bytes, vibe=["Melancholic", None, "Calm"])}
    rows = from_hub(tmp_path)
    assert typed_hub.asked == ("anggars/neural-mathrock", {})
    assert [row["labels"] for row in rows] == [["joy"], ["love"], ["sadness"]]
    assert [row["mbti"] for row in rows] == ["INFP", "INFP", "INFJ"]
    assert [row["group"] for row in rows] == ["ttng", "ttng", "american football"]
    assert [row["vibe"] for row in rows] == ["Melancholic", None, "Calm"]
    assert rows[0]["tempo"] is None
    assert (rows[0]["song"], rows[0]["chunk"]) == ("Cat Fantastic", "chunk_0.wav")
    assert all(row["split"] == split_of("neural-mathrock", row["group"]) for row in rows)
    assert with_waveforms(make_manifest(rows), 8_000)[2]["waveform"].shape == (1_600,)


def test_several_emotions_of_a_chunk_are_several_labels(typed_hub, tmp_path, sound_bytes):
    joy, love = EMOTIONS.index("joy"), EMOTIONS.index("love")
    typed_hub.splits = {"train": columns(sound_bytes, emotion=[[joy, love], [], [love]])}
    assert [row["labels"] for row in from_hub(tmp_path)] == [["joy", "love"], [], ["love"]]


def test_chunks_of_one_name_keep_their_own_sound(typed_hub, tmp_path, sound_bytes):
    audio = [{"path": "chunk_0.wav", "bytes": sound_bytes(song)} for song in ("one", "two", "one")]
    typed_hub.splits = {"train": columns(file_name=["chunk_0.wav"] * 3, audio=audio)}
    first, second, third = (row["path"] for row in from_hub(tmp_path))
    assert first == third != second


def test_a_copy_of_the_repository_is_read_offline(tmp_path, monkeypatch, sound_bytes):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "copy" / "data").mkdir(parents=True)
    for part in range(2):  # the set was uploaded in parts, and its tables lie in one folder
        table = typed(columns(sound_bytes)).select(range(part, 3, 2))
        table.to_parquet(tmp_path / "copy" / "data" / f"train-0000{part}-of-00002.parquet")
    rows = read(tmp_path / "copy")
    assert sorted(row["labels"][0] for row in rows) == ["joy", "love", "sadness"]
    assert read(tmp_path / "copy") == rows  # the sound that the first reading stored does no harm


def test_tables_without_sound_find_it_beside(typed_hub, tmp_path, write_sound):
    write_sound(tmp_path / "audio" / "chunk_1.wav")
    typed_hub.splits = {"train": columns()}
    rows = from_hub(tmp_path)
    assert [row["labels"] for row in rows] == [["love"]]
    assert rows.left_out == {"no recording": 2}


def test_an_artist_in_two_of_its_own_splits_is_a_leak(typed_hub, tmp_path, sound_bytes):
    typed_hub.splits = {"train": columns(sound_bytes), "test": columns(sound_bytes)}
    with pytest.raises(SplitLeakError, match="group 'american football' is in test and train"):
        from_hub(tmp_path)


def test_other_classes_columns_and_splits_are_refused(fake_hub, tmp_path, sound_bytes):
    fake_hub.splits = {"train": columns(sound_bytes, emotion=["joy", "rage", "joy"], mbti=MBTI[:3])}
    with pytest.raises(ManifestError, match="train, row 1: emotion='rage', expected one of admiration, amusement"):
        from_hub(tmp_path)
    fake_hub.splits = {"train": columns(sound_bytes, emotion=[0.5, 0.5, 0.5], mbti=MBTI[:3])}
    with pytest.raises(ManifestError, match=r"train, row 0: emotion=0\.5, expected a class or a list of classes"):
        from_hub(tmp_path)
    fake_hub.splits = {"train": {"file": ["a"]}}
    with pytest.raises(
        ManifestError, match=r"split train lacks artist, song, .*: got the columns file, expected artist"
    ):
        from_hub(tmp_path)
    fake_hub.splits = {"dev": columns(sound_bytes)}
    with pytest.raises(ManifestError, match="neural-mathrock: split 'dev', expected train, validation, test"):
        from_hub(tmp_path)


def test_a_folder_without_tables_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"parquet is not there: Neural Math Rock needs .*anggars/neural-mathrock"
    ):
        read(tmp_path)
