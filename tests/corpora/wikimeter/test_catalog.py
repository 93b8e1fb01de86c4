"""The catalog that comes with the package, held against its schema; and catalogs that are none."""

import json
import re
import unicodedata
from collections import Counter
from importlib.resources import files

import pytest

from linernotes.corpora.meters import METER_CLASSES
from linernotes.corpora.sources import SOURCES
from linernotes.corpora.wikimeter.catalog import CatalogError, file_stem, load_catalog

LEAST = {"3": 49, "4": 61, "5": 32, "7": 29, "9": 25, "11": 29, "polyrhythmic": 25}
ENTRY = {"artist": "Dave Brubeck", "title": "Take Five", "meters": {"5": 1.0}, "video_id": None, "source": "score: 5/4"}


@pytest.fixture(scope="module")
def entries():
    return json.loads((files("linernotes.corpora.wikimeter") / "catalog.json").read_text(encoding="utf-8"))


def write(tmp_path, *entries):
    (tmp_path / "catalog.json").write_text(json.dumps(entries))
    return tmp_path / "catalog.json"


def test_there_are_as_many_works_of_every_kind_as_in_the_seed(entries):
    kinds = Counter("polyrhythmic" if len(e["meters"]) > 1 else next(iter(e["meters"])) for e in entries)
    assert set(kinds) == set(LEAST)
    assert {kind: count for kind, count in kinds.items() if count < LEAST[kind]} == {}
    assert len(entries) >= 250
    assert SOURCES["wikimeter"].size.startswith(f"{len(entries)} works")


def test_every_entry_keeps_the_schema(entries):
    for entry in entries:
        assert set(entry) - {"query"} == {"artist", "title", "meters", "video_id", "source"}, entry
        assert all(int(meter) in METER_CLASSES and 0.0 < w <= 1.0 for meter, w in entry["meters"].items()), entry
        assert max(entry["meters"].values()) == 1.0, entry
        assert entry["video_id"] is None, entry  # none was verified


def test_every_source_says_the_meter_that_is_claimed(entries):
    """A note ends on a signature or a number of beats, such as "score: 5/8"; of a polyrhythm it tells the layers."""
    for entry in entries:
        *_, stated = re.findall(r"\b(\d+)(?:/\d+| beats)", entry["source"]) or [None]
        if len(entry["meters"]) == 1:
            assert [stated] == list(entry["meters"]), entry
        else:
            assert re.search("against|across|over|canon|groups", entry["source"]), entry


def test_the_text_is_tidy(entries):
    for entry in entries:
        for key in ("artist", "title", "source", "query"):
            text = entry.get(key, "x")
            assert text == " ".join(text.split()) == unicodedata.normalize("NFC", text), entry
            assert text.isprintable(), entry
            assert "\ufffd" not in text, entry


def test_no_work_stands_twice(entries):
    names = [file_stem(entry["artist"], entry["title"]) for entry in entries]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert [stem for stem in names if stem.count("_") < 1 or len(stem) > 80] == []
    asked = Counter(entry.get("query", f"{entry['artist']} {entry['title']}").lower() for entry in entries)
    assert [query for query, count in asked.items() if count > 1] == []


def test_the_catalog_loads_as_works(entries):
    works = load_catalog()
    assert len(works) == len(entries)
    work = next(work for work in works if work.title == "Take Five")
    assert (work.stem, work.meters, work.query) == (
        "the_dave_brubeck_quartet_take_five",
        {5: 1.0},
        "The Dave Brubeck Quartet Take Five",
    )
    kpanlogo = next(work for work in works if work.title == "Kpanlogo")
    assert (kpanlogo.stem, kpanlogo.meters) == ("traditional_ghana_kpanlogo", {3: 0.7, 4: 1.0})


@pytest.mark.parametrize(
    ("artist", "title", "stem"),
    [
        ("Dave Brubeck", "Take Five", "dave_brubeck_take_five"),
        ("AC/DC", "It's...", "ac_dc_its"),
        ("Manos Loïzos", "Ta Δ 1", "manos_loizos_ta_1"),
        ("Hac\u0131 Arif Bey", "\u0130zmir\u2019in", "haci_arif_bey_izmirin"),
        ("x" * 79, "yy", "x" * 79),
    ],
)
def test_file_names_are_plain(artist, title, stem):
    assert file_stem(artist, title) == stem


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"meters": {"6": 1.0}}, r"work 1 of catalog\.json: meters 6, expected some of 3, 4, 5, 7, 9, 11"),
        ({"meters": {"3": 1.5}}, r"work 1 of catalog\.json: .* states no meter"),
        ({"meters": {}}, r"states no meter"),
        ({"video_id": "short"}, r"video_id='short', expected 11 letters, digits, - or _, or null"),
        ({"source": " "}, r"source=' ', expected text"),
        ({"query": None}, r"query=None, expected text"),
        ({"url": "x"}, r"got \['artist', .*'url'.*expected artist, title, meters, video_id, source"),
    ],
)
def test_an_entry_of_another_form_is_refused(tmp_path, change, message):
    with pytest.raises(CatalogError, match=message):
        load_catalog(write(tmp_path, ENTRY | change))


def test_two_works_of_one_file_name_no_works_and_no_json_are_refused(tmp_path):
    with pytest.raises(CatalogError, match=r"are both dave_brubeck_take_five: leave one out"):
        load_catalog(write(tmp_path, ENTRY, ENTRY | {"title": "Take five!"}))
    with pytest.raises(CatalogError, match=r"has no works: give a list of objects with artist"):
        load_catalog(write(tmp_path))
    (tmp_path / "catalog.json").write_text("[")
    with pytest.raises(CatalogError, match=r"is not JSON"):
        load_catalog(tmp_path / "catalog.json")
    video = ENTRY | {"video_id": "-0Gj8-vB1q4", "query": "brubeck"}
    (work,) = load_catalog(write(tmp_path, video))
    assert (work.video_id, work.query) == ("-0Gj8-vB1q4", "brubeck")
