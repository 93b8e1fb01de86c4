"""The table of public data sets."""

import re

import pytest

from linernotes.corpora import gtzan
from linernotes.corpora.sources import NOT_VERIFIED, SOURCES, source_rows


def test_the_rows_are_text_and_complete():
    rows = source_rows()
    assert [row["name"] for row in rows] == list(SOURCES)
    assert all(isinstance(value, str) and value for row in rows for value in row.values())
    row = next(row for row in rows if row["name"] == "nsynth")
    assert row["hub_id"] == "-"
    assert row["download"].startswith("nsynth-train.jsonwav.tar.gz, nsynth-valid")


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.name)
def test_every_set_tells_address_licence_and_size(source):
    assert re.match(r"https://\S+", source.page)
    assert re.search(r"CC BY|none stated", source.licence)
    assert re.search(r"[GT]B|no audio in it", source.size) or NOT_VERIFIED in source.size
    assert re.search(r"arXiv|\d{4}|Hugging Face", source.citation)
    assert source.hub_id is None or source.hub_id.count("/") == 1


def test_the_licence_of_gtzan_is_told_in_one_way():
    assert SOURCES["gtzan"].licence == gtzan.LICENCE
