"""What the README's table says of each genre, measured on the song it was played from or on the sound itself."""

import time
from dataclasses import replace
from itertools import pairwise

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linernotes.corpora.generators import (
    GENRE_GENERATORS,
    TWELVE_BAR_ROOTS,
    blend,
    generate_clip,
    generator,
    write_song,
)
from linernotes.corpora.instruments import closed_hat
from linernotes.corpora.song import SCALES, Note, Song, render, render_part
from linernotes.corpora.sounds import Drum

RATE = 22_050
GENRES = ("jazz", "blues", "rock", "pop", "classical")
SEEDS = range(6)


def stem_onsets(song, name):
    """Times in seconds at which a drum's stem starts to sound."""
    envelope = np.abs(render_part(song, name, RATE))
    envelope = envelope[: envelope.size // 64 * 64].reshape(-1, 64).max(1)
    rise = np.diff(envelope, prepend=0.0)
    steps = np.flatnonzero(rise > 0.25 * envelope.max())
    return np.array([s for i, s in enumerate(steps) if i == 0 or s - steps[i - 1] > 10]) * 64 / RATE


def beats_in_bar(song, name):
    return sorted({round(note.start_beats % 4, 6) for note in song.parts[name].notes})


def pitch_classes(song, *names):
    """Semitones above the tonic that these parts play."""
    return {int(note.pitch - song.tonic) % 12 for name in names for note in song.parts[name].notes}


def single_note(song, name, pitch, seconds=2.0, bend=0.0):
    """What one instrument of a song makes of one note, through its own amplifier."""
    song.parts[name].notes = [Note(0.0, seconds * song.tempo_bpm / 60, pitch, 0.8, bend)]
    song.looseness_seconds = 0.0
    return render_part(song, name, RATE)


def loudness_db(clip, frame=8192):
    frames = clip[: clip.size // frame * frame].reshape(-1, frame)
    return 20 * np.log10(frames.std(1) + 1e-9)


# --- every genre


def test_the_genres_and_their_order_are_the_tables():
    assert tuple(GENRE_GENERATORS) == GENRES


@pytest.mark.parametrize("genre", GENRES)
def test_same_seed_same_samples_and_another_seed_another_clip(genre):
    clip = generate_clip(genre, 7, 3.0)
    np.testing.assert_array_equal(clip, generate_clip(genre, 7, 3.0))
    assert np.abs(clip - generate_clip(genre, 8, 3.0)).max() > 0.05


@given(st.sampled_from(GENRES), st.integers(0, 2**32), st.floats(0.05, 6.0), st.sampled_from([8_000, 16_000, 44_100]))
@settings(max_examples=25)
def test_any_clip_is_finite_and_within_full_scale(genre, seed, duration_seconds, sampling_rate):
    clip = generate_clip(genre, seed, duration_seconds, sampling_rate)
    assert clip.dtype == np.float32
    assert clip.shape == (np.ceil(duration_seconds * sampling_rate),)
    assert np.isfinite(clip).all()
    assert 0.0 < np.abs(clip).max() <= 1.0


@pytest.mark.parametrize("genre", GENRES)
def test_thirty_clips_are_thirty_songs(genre):
    songs = [write_song(genre, seed) for seed in range(30)]
    assert len({song.tonic for song in songs}) >= 8
    assert np.std([song.tempo_bpm for song in songs]) > 5
    assert np.ptp([song.peak_db for song in songs]) > 6
    assert len({tuple(n.pitch for part in song.parts.values() for n in part.notes) for song in songs}) == 30
    assert len({part.sound for song in songs for part in song.parts.values()}) >= 30


def test_the_same_seed_is_another_song_in_another_genre():
    keys = {genre: [write_song(genre, seed).tonic for seed in range(12)] for genre in GENRES}
    assert len({tuple(tonics) for tonics in keys.values()}) == len(GENRES)


@pytest.mark.parametrize("genre", GENRES)
def test_ten_seconds_are_made_in_a_fraction_of_one(genre):
    generate_clip(genre, 0)
    before = time.process_time()
    generate_clip(genre, 1)
    assert time.process_time() - before < 0.5


def test_a_song_given_a_minute_fills_it():
    assert loudness_db(generate_clip("blues", 3, 60.0)).min() > -50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("polka", 0), "no generator for genre 'polka': choose from jazz, blues"),
        (("jazz", 0, 0.0), "duration_seconds=0.0"),
        (("jazz", 0, float("nan")), "duration_seconds=nan"),
        (("jazz", 0, 1.0, 100), "sampling_rate=100 Hz: give a rate from 4000"),
    ],
)
def test_what_cannot_be_rendered_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        generate_clip(*arguments)


def test_a_new_genre_is_one_function():
    try:

        @generator("ticks")
        def make_ticks(song: Song) -> None:
            song.settle((100, 100), ("major",))
            song.add_beat("hat", closed_hat(song.rng), 0.3, [0, 1, 2, 3])

        assert make_ticks(np.random.default_rng(0), 2.0, RATE).shape == generate_clip("ticks", 0, 2.0).shape
        assert stem_onsets(write_song("ticks", 0, 2.4), "hat") == pytest.approx([0, 0.6, 1.2, 1.8], abs=0.03)
    finally:
        GENRE_GENERATORS.pop("ticks", None)


def test_a_generator_without_a_song_plays_but_does_not_blend():
    try:
        GENRE_GENERATORS["hum"] = lambda rng, seconds, rate: np.full(int(seconds * rate), 0.1, np.float32)
        assert generate_clip("hum", 0, 1.0).size == RATE
        with pytest.raises(ValueError, match=r"'hum' writes no song: register it with @generator\('hum'\)"):
            blend("hum", "jazz", 0)
    finally:
        GENRE_GENERATORS.pop("hum", None)


# --- jazz: swing timing, chromatic passing tones, 7th and 9th harmonics


@pytest.mark.parametrize("seed", SEEDS)
def test_jazz_eighths_are_long_and_short(seed):
    song = write_song("jazz", seed)
    straight, late = sorted({round(b % 1, 4) for b in beats_in_bar(song, "ride")})
    assert straight == 0.0
    assert late / (1 - late) == pytest.approx(song.swing, rel=1e-3)
    assert 1.6 <= song.swing <= 2.4


def test_jazz_swing_is_heard_from_the_ride():
    song = write_song("jazz", 5, 20.0)
    onsets = stem_onsets(song, "ride") * song.tempo_bpm / 60
    late = onsets % 1
    offbeats = late[(late > 0.3) & (late < 0.9)]
    ratio = np.median(offbeats) / (1 - np.median(offbeats))
    assert offbeats.size >= 15
    assert ratio == pytest.approx(song.swing, rel=0.12)


def test_jazz_lines_pass_through_chromatic_tones():
    shares = []
    for seed in range(12):
        song = write_song("jazz", seed, 20.0)
        notes = song.parts["horn"].notes
        outside = [i for i, n in enumerate(notes) if (n.pitch - song.tonic) % 12 not in SCALES["major"]]
        assert all(abs(notes[i + 1].pitch - notes[i].pitch) == 1 for i in outside if i + 1 < len(notes))
        shares.append(len(outside) / len(notes))
    assert 0.08 < np.mean(shares) < 0.4


@pytest.mark.parametrize("seed", SEEDS)
def test_jazz_chords_have_a_seventh_and_a_ninth(seed):
    song = write_song("jazz", seed)
    for bar, root in enumerate(song.bar_roots[:-1]):
        played = {int(n.pitch - song.tonic - root) % 12 for n in song.parts["piano"].notes if n.start_beats // 4 == bar}
        assert 2 in played
        assert played & {10, 11}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_jazz_horn_rings_on_its_7th_and_9th_harmonics(seed, partial_levels):
    levels = partial_levels(single_note(write_song("jazz", seed), "horn", 57)[2_000:24_000], 220.0, 10)
    assert levels[6] > 1.3 * max(levels[5], levels[7])
    assert levels[8] > 1.3 * max(levels[7], levels[9])


def test_the_jazz_bass_walks_in_quarters_and_leads_by_a_semitone():
    song = write_song("jazz", 2, 20.0)
    notes = song.parts["bass"].notes
    assert beats_in_bar(song, "bass") == [0, 1, 2, 3]
    roots = {n.start_beats: n.pitch for n in notes if n.start_beats % 4 == 0}
    leading = [(n.pitch, roots.get(n.start_beats + 1)) for n in notes if n.start_beats % 4 == 3]
    assert all(abs(pitch - root) == 1 for pitch, root in leading if root is not None)


# --- blues: twelve bars, pentatonic, bends, shuffle hi-hat


@pytest.mark.parametrize("seed", SEEDS)
def test_a_long_blues_goes_round_the_twelve_bars(seed):
    song = write_song("blues", seed, 60.0)
    assert song.bars >= 16
    assert song.bar_roots == [TWELVE_BAR_ROOTS[bar % 12] for bar in range(song.bars)]
    assert TWELVE_BAR_ROOTS == (0, 0, 0, 0, 5, 5, 0, 0, 7, 5, 0, 7)  # I I I I, IV IV I I, V IV I V


def test_a_short_blues_is_cut_out_of_the_twelve_bars():
    form = "".join(map(str, TWELVE_BAR_ROOTS * 2))
    songs = [write_song("blues", seed) for seed in range(20)]
    assert all("".join(map(str, song.bar_roots)) in form for song in songs)
    assert all(len(set(song.bar_roots)) > 1 for song in songs if song.bars >= 4)


def test_blues_phrases_call_call_again_and_conclude():
    song = write_song("blues", 1, 60.0)

    def line(first_bar):
        inside = [n for n in song.parts["lead"].notes if first_bar * 4 <= n.start_beats < first_bar * 4 + 8]
        return [(round(n.start_beats - first_bar * 4, 6), n.pitch) for n in inside]

    assert line(0) == line(4) != line(8)
    assert not [n for n in song.parts["lead"].notes if n.start_beats // 4 % 4 >= 2]  # there the answer comes
    assert {n.start_beats // 4 % 4 for n in song.parts["answer"].notes} == {2, 3}


@pytest.mark.parametrize("seed", SEEDS)
def test_blues_lines_are_pentatonic(seed):
    assert pitch_classes(write_song("blues", seed, 40.0), "lead", "answer") <= set(SCALES["minor_pentatonic"])


def test_blues_notes_are_bent(track_hz):
    songs = [write_song("blues", seed, 30.0) for seed in SEEDS]
    bends = [note.bend_semitones for song in songs for note in song.parts["lead"].notes]
    assert 0.15 < np.mean([b > 0 for b in bends]) < 0.9
    frequency_hz, time_seconds = track_hz(single_note(songs[0], "lead", 69, bend=2.0)[:RATE])
    semitones = 12 * np.log2(frequency_hz / 440.0)
    assert semitones[:2].mean() < -1.0
    assert np.abs(semitones[(time_seconds > 0.2) & (time_seconds < 0.4)]).max() < 0.3


def test_the_blues_hi_hat_shuffles():
    for seed in SEEDS:
        song = write_song("blues", seed, 20.0)
        fractions = sorted({round(b % 1, 6) for b in beats_in_bar(song, "hat")})
        assert fractions == [0.0, pytest.approx(song.swing / (1 + song.swing), abs=1e-5)]
        assert 1.85 <= song.swing <= 2.2
    late = stem_onsets(song, "hat") * song.tempo_bpm / 60 % 1
    assert np.median(late[(late > 0.3) & (late < 0.9)]) == pytest.approx(fractions[1], abs=0.02)


# --- rock: tanh clipping, power chords, kick and snare in turn


@pytest.mark.parametrize("seed", SEEDS)
def test_rock_chords_are_root_fifth_octave(seed):
    chords = {}
    for note in write_song("rock", seed).parts["guitar"].notes:
        chords.setdefault(note.start_beats, []).append(note.pitch)
    assert {tuple(p - min(pitches) for p in pitches) for pitches in chords.values()} == {(0, 7, 12)}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_rock_guitar_is_ruled_by_odd_harmonics(seed, partial_levels):
    levels = partial_levels(single_note(write_song("rock", seed), "guitar", 45)[2_000:30_000], 110.0, 8)
    assert np.square(levels[2::2]).sum() > 5 * np.square(levels[1::2]).sum()
    assert levels[2] > 0.15 * levels[0]


def test_rock_amplifiers_clip():
    song = write_song("rock", 0)
    clipped = render_part(song, "guitar", RATE)
    song.parts["guitar"].drive = 0.0
    clean = render_part(song, "guitar", RATE)
    assert np.abs(clipped).max() / clipped.std() < 0.7 * np.abs(clean).max() / clean.std()


@pytest.mark.parametrize("seed", SEEDS)
def test_rock_kick_and_snare_take_turns(seed):
    song = write_song("rock", seed)
    assert beats_in_bar(song, "snare") == [1, 3]
    assert beats_in_bar(song, "kick") in ([0, 2], [0, 2, 2.5])


def test_rock_backbeat_is_heard():
    song = write_song("rock", 0)
    beats = stem_onsets(song, "snare") * song.tempo_bpm / 60
    assert np.abs(beats - np.round(beats)).max() < 0.06
    assert set(np.round(beats) % 2) == {1}


# --- pop: major tune, verse and chorus, four on the floor, compression


@pytest.mark.parametrize("seed", SEEDS)
def test_pop_tunes_are_clean_and_major(seed):
    song = write_song("pop", seed, 30.0)
    assert pitch_classes(song, "tune") <= set(SCALES["major"])
    assert all(part.drive == 0.0 for part in song.parts.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_pop_kicks_on_every_beat(seed):
    song = write_song("pop", seed)
    assert [n.start_beats for n in song.parts["kick"].notes] == list(range(int(np.ceil(song.beats))))


def test_pop_pulse_is_heard_in_the_mix():
    for seed in range(3):
        heard = librosa.feature.tempo(y=generate_clip("pop", seed), sr=RATE)[0]
        assert heard == pytest.approx(write_song("pop", seed).tempo_bpm, rel=0.04)


def test_pop_alternates_verse_and_chorus():
    song = write_song("pop", 0, 90.0)
    names = [name for name, _, _ in song.sections]
    assert names == (["verse", "chorus"] * len(names))[: len(names)]
    assert len(names) >= 4
    assert {bars for _, _, bars in song.sections[:-1]} == {8}
    assert [first for _, first, _ in song.sections] == list(range(0, song.bars, 8))
    assert sum(bars for _, _, bars in song.sections) == song.bars


def test_a_short_pop_clip_still_has_both():
    assert {name for name, _, _ in write_song("pop", 0, 10.0).sections} == {"verse", "chorus"}


def test_the_pop_chorus_returns_and_is_fuller_than_the_verse():
    song = write_song("pop", 0, 90.0)

    def section(index):
        _, first, bars = song.sections[index]
        notes = [n for part in song.parts.values() for n in part.notes if first <= n.start_beats / 4 < first + bars]
        tune = [n for n in song.parts["tune"].notes if n in notes]
        return len(notes), [(n.start_beats - 4 * first, n.pitch) for n in tune]

    assert section(1)[1] == section(3)[1] != section(0)[1]
    assert section(1)[0] > 1.3 * section(0)[0]
    clip = generate_clip("pop", 0, 90.0)
    edges = [int(song.seconds(4 * first) * RATE) for _, first, _ in song.sections[:3]]
    verse, chorus = (clip[a:b] for a, b in pairwise(edges))
    bright = [librosa.feature.spectral_centroid(y=part, sr=RATE).mean() for part in (verse, chorus)]
    assert bright[1] > 1.1 * bright[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_pop_dynamics_are_compressed(seed):
    song = write_song("pop", seed)
    squeezed = np.std(loudness_db(render(song, RATE), 2048))
    song.compression = 1.0
    assert squeezed < 0.7 * np.std(loudness_db(render(song, RATE), 2048))


# --- classical: many partials, vibrato, crescendo, no percussion


@pytest.mark.parametrize("seed", SEEDS)
def test_classical_strings_have_many_partials(seed, partial_levels):
    song = write_song("classical", seed)
    song.parts["cello"].sound = replace(song.parts["cello"].sound, vibrato_cents=0.0)  # or it blurs the high partials
    levels = partial_levels(single_note(song, "cello", 45)[6_000:40_000], 110.0, 30)
    assert (levels > levels.max() * 10 ** (-60 / 20)).sum() >= 25


@pytest.mark.parametrize("seed", SEEDS)
def test_classical_strings_have_vibrato(seed, track_hz):
    frequency_hz, _ = track_hz(single_note(write_song("classical", seed), "violin", 69, seconds=4.0)[8_000:80_000])
    cents = 1200 * np.log2(frequency_hz / np.median(frequency_hz))
    spectrum = np.abs(np.fft.rfft(cents - cents.mean(), 2**14))
    assert 4.8 <= np.fft.rfftfreq(2**14, 256 / RATE)[spectrum.argmax()] <= 6.7
    assert 10 < np.ptp(cents) / 2 < 40


@pytest.mark.parametrize("seed", SEEDS)
def test_classical_grows_in_a_wide_crescendo(seed):
    level_db = loudness_db(generate_clip("classical", seed))
    fifth = level_db.size // 5
    assert level_db[-2 * fifth :].max() - level_db[:fifth].mean() > 14
    thirds = [part.mean() for part in np.array_split(level_db, 3)]
    assert thirds == sorted(thirds)


def test_classical_has_no_percussion():
    for seed in SEEDS:
        assert not [part for part in write_song("classical", seed).parts.values() if isinstance(part.sound, Drum)]
    share = {genre: np.mean([percussive_share(generate_clip(genre, seed, 3.0)) for seed in (0, 1)]) for genre in GENRES}
    assert share.pop("classical") < 0.5 * min(share.values())


def percussive_share(clip):
    harmonic, percussive = librosa.effects.hpss(clip)
    return np.square(percussive).sum() / (np.square(percussive).sum() + np.square(harmonic).sum())


# --- two at once


@pytest.mark.parametrize(
    ("first", "second"), [("blues", "rock"), ("jazz", "classical"), ("classical", "jazz"), ("pop", "rock")]
)
def test_a_blend_shares_key_and_pulse(first, second):
    song = write_song(first, 4, 3.0)
    other = write_song(second, 4, 3.0, tempo_bpm=song.tempo_bpm, tonic=song.tonic, mode=song.mode)
    assert other.tonic == song.tonic
    assert np.log2(other.tempo_bpm / song.tempo_bpm) in (-1.0, 0.0, 1.0)
    assert np.corrcoef(blend(first, second, 4, 1.0, 3.0), render(other, RATE))[0, 1] == pytest.approx(1.0, abs=1e-6)


def test_a_blend_moves_from_one_genre_to_the_other():
    def alike(one, other):
        return np.corrcoef(one, other)[0, 1]

    blues = generate_clip("blues", 1, 4.0)
    shares = [alike(blend("blues", "rock", 1, share, 4.0), blues) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert shares[0] == pytest.approx(1.0, abs=1e-6)
    assert shares == sorted(shares, reverse=True)
    assert shares[2] == pytest.approx(np.sqrt(0.5), abs=0.1)
    assert abs(shares[4]) < 0.1


def test_a_blend_is_deterministic_and_within_full_scale():
    clip = blend("jazz", "classical", 3, 0.5, 3.0)
    np.testing.assert_array_equal(clip, blend("jazz", "classical", 3, 0.5, 3.0))
    assert np.isfinite(clip).all()
    assert np.abs(clip).max() <= 1.0
    assert clip.dtype == np.float32


def test_a_blend_needs_a_share():
    with pytest.raises(ValueError, match=r"share=1.5 .* a number from 0 \(all blues\) to 1 \(all rock\)"):
        blend("blues", "rock", 0, 1.5)
