"""The table of public data sets."""

import re

import pytest

from linernotes.corpora import gtzan
from linernotes.corpora.sources import NOT_VERIFIED, SOURCES, told


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.name)
def test_nothing_is_cut_from_what_is_told(source):
    block = told(source)
    assert block.startswith(f"{source.name}: {source.title}\n")
    assert all(text in block for text in (*source.download, source.page, source.size, source.licence, source.citation))
    assert "None" not in block


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.name)
def test_every_set_tells_address_licence_and_size(source):
    assert re.match(r"https://\S+", source.page)
    assert re.search(r"CC BY|none stated", source.licence)
    assert re.search(r"[GT]B|no audio in it", source.size) or NOT_VERIFIED in source.size
    assert re.search(r"arXiv|\d{4}|Hugging Face", source.citation)
    assert source.hub_id is None or source.hub_id.count("/") == 1


def test_the_licence_of_gtzan_is_told_in_one_way():
    assert SOURCES["gtzan"].licence == gtzan.LICENCE
