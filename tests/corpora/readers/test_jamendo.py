"""MTG-Jamendo as published: tables of a split, tags in as many fields as there are, licences in blocks of lines."""

import pytest

from linernotes.corpora.manifest import ManifestError, make_manifest, with_waveforms
from linernotes.corpora.readers.jamendo import read
from linernotes.corpora.splits import SplitLeakError

HEADER = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS"
TRACKS = {
    "train": [
        "track_0000382\tartist_000020\talbum_000046\t82/382.mp3\t0.2\tgenre---classical\tinstrument---voice",
        "track_0003346\tartist_000517\talbum_000521\t46/3346.mp3\t195.0\tgenre---pop\tmood/theme---calm\tmood/theme---dark",
    ],
    "validation": ["track_0000214\tartist_000014\talbum_000031\t14/214.mp3\t0.2\tgenre---punkrock"],
    "test": ["track_0000241\tartist_000005\talbum_000033\t41/241.mp3\t340.1\tgenre---rock"],
}
LICENCES = """82/382.mp3
Trois airs by Someone from Jamendo: http://www.jamendo.com/track/382
Available under a Creative Commons Attribution-ShareAlike license: http://creativecommons.org/licenses/by-sa/3.0/

41/241.mp3
Rock by Other from Jamendo: http://www.jamendo.com/track/241
"""


def write_tables(folder, tracks, subset="autotagging", number=0):
    lists = folder / "data" / "splits" / f"split-{number}"
    lists.mkdir(parents=True, exist_ok=True)
    for split, lines in tracks.items():
        (lists / f"{subset}-{split}.tsv").write_text("\n".join([HEADER, *lines, ""]))


@pytest.fixture
def repository(tmp_path, write_sound):
    """Four tracks; the test track was not downloaded, one of the others is of the small size."""
    write_tables(tmp_path, TRACKS)
    (tmp_path / "audio_licenses.txt").write_text(LICENCES)
    write_sound(tmp_path / "audio" / "82" / "382.wav")
    write_sound(tmp_path / "audio" / "46" / "3346.low.wav")
    write_sound(tmp_path / "audio" / "14" / "214.wav")
    return tmp_path


def test_tracks_are_rows(repository):
    rows = read(repository)
    assert [row["track"] for row in rows] == ["track_0000382", "track_0003346", "track_0000214"]
    assert rows.left_out == {"no recording": 1}
    first, second, third = rows
    assert first["labels"] == ["genre---classical", "instrument---voice"]
    assert (first["genres"], first["instruments"], first["moods"]) == (["classical"], ["voice"], [])
    assert (second["moods"], second["duration_seconds"]) == (["calm", "dark"], 195.0)
    assert (first["group"], first["album"], first["split"]) == ("artist_000020", "album_000046", "train")
    assert (third["split"], third["group"]) == ("validation", "artist_000014")
    assert first["licence"] == (
        "Creative Commons Attribution-ShareAlike license: http://creativecommons.org/licenses/by-sa/3.0/"
    )
    assert second["licence"].startswith("tags CC BY-NC-SA 4.0; recordings Creative Commons")
    assert with_waveforms(make_manifest(rows), 8_000)[1]["waveform"].shape == (1_600,)


def test_a_part_another_split_and_another_place_of_sound(repository, tmp_path_factory, write_sound):
    write_tables(repository, TRACKS, "autotagging_genre", 3)
    elsewhere = tmp_path_factory.mktemp("sound")
    write_sound(elsewhere / "241.wav")
    rows = read(repository, "autotagging_genre", 3, elsewhere)
    assert [(row["labels"], row["split"]) for row in rows] == [(["genre---rock"], "test")]
    (repository / "audio_licenses.txt").unlink()
    assert len(read(repository)) == 3


def test_an_artist_in_two_lists_is_a_leak(repository):
    leak = TRACKS["validation"][0].replace("artist_000014", "artist_000020")
    write_tables(repository, TRACKS | {"validation": [leak]})
    with pytest.raises(SplitLeakError, match="group 'artist_000020' is in train and validation"):
        read(repository)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("track_1\tartist_1\talbum_1\t1/1.mp3\t30.0", r"got 5 fields, expected TRACK_ID, .*TAGS and more tags"),
        ("track_1\tartist_1\talbum_1\t1/1.mp3\tlong\tgenre---pop", r"DURATION='long', expected a number"),
        ("track_1\tartist_1\talbum_1\t1/1.mp3\t30.0\tpop", r"tag 'pop', expected genre---name, instrument---name"),
        ("track_1\tartist_1\talbum_1\t1/1.mp3\t30.0\tyear---1990", r"tag 'year---1990', expected genre---name"),
    ],
)
def test_a_line_in_another_form_is_refused(repository, line, message):
    write_tables(repository, TRACKS | {"train": [line]})
    with pytest.raises(ManifestError, match=rf"autotagging-train\.tsv, line 2: {message}"):
        read(repository)


def test_what_is_missing_or_unknown_is_named(repository):
    with pytest.raises(ValueError, match=r"subset='moods', split_number=0: choose from autotagging, .* and 0 to 4"):
        read(repository, "moods")
    lists = repository / "data" / "splits" / "split-0"
    (lists / "autotagging-test.tsv").write_text("TRACK_ID\tTAGS\n")
    with pytest.raises(
        ManifestError, match=r"autotagging-test\.tsv lacks ARTIST_ID, .*: got the columns TRACK_ID, TAGS"
    ):
        read(repository)
    (lists / "autotagging-test.tsv").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"autotagging-test\.tsv is not there: MTG-Jamendo needs .*github\.com/MTG"
    ):
        read(repository)
