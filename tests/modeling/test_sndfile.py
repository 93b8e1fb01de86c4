"""sndfile.py: libsndfile by itself, without what audio.py makes of its words; test_audio.py has the whole reader."""

import io

import numpy as np
import pytest
from audio_files import RATE, SAMPLES, encode, half

from linernotes.modeling.sndfile import CONTAINERS, SndfileError, container_of, open_with_sndfile


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_a_stream_is_decoded_block_by_block_to_its_end(container):
    stream = io.BytesIO(encode(container))
    assert container_of(stream) == container
    with open_with_sndfile(stream) as (rate, channels, promised_frames, read):
        assert (rate, channels) == (RATE, 1)
        blocks = list(iter(lambda: len(read(30_000)), 0))
    assert sum(blocks) == promised_frames == pytest.approx(SAMPLES, abs=2500)  # of an MP3 the encoder's own besides
    assert max(blocks) == 30_000


def test_a_name_misleads_nobody(tmp_path):
    path = tmp_path / "song.raw"  # soundfile would ask for the rate of headerless samples
    path.write_bytes(encode("FLAC"))
    with path.open("rb") as stream:
        assert container_of(stream) == "FLAC"


def test_what_is_no_sound_is_refused_in_its_own_words():
    with pytest.raises(SndfileError, match=r"Format not recognised") as caught:
        container_of(io.BytesIO(b"la la la" * 100))
    assert not caught.value.is_cut


def test_formats_that_are_tried_nowhere_are_refused():
    assert "MAT5" not in CONTAINERS
    with pytest.raises(SndfileError, match="MAT5 is not one of the formats read here"):
        container_of(io.BytesIO(encode("MAT5", data=np.zeros((100, 1)))))


def test_a_flac_that_breaks_off_had_begun_well():
    def read_all():
        with open_with_sndfile(io.BytesIO(half(encode("FLAC")))) as (*_, read):
            while len(read(10_000)):
                pass

    with pytest.raises(SndfileError, match=r"the sound breaks off \(.+\)") as caught:
        read_all()
    assert caught.value.is_cut
