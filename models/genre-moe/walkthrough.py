# %% [markdown]
# # Hearing genre with a mixture of experts
#
# This notebook takes "Music Genre MoE" apart and builds it again, small, in front of you: it writes songs in five
# genres, measures them, trains a mixture of one expert a genre, and asks whether each expert really keeps to its genre.
# Beside everything that the small model says stands what the published model says of the same songs.
#
# Every figure below was computed by the run you see. A run takes a few minutes on a CPU; nothing but the model is
# downloaded.

# %% [markdown]
# ## Hear
#
# ### 1. Imports & Setup
#
# The first cell installs what is missing and nothing else. The model is loaded by `AutoModel`, its code included, from
# its repository.

# %%
import logging
import re
import subprocess
import sys
import warnings
from importlib import metadata

NEEDED = (
    "torch>=2.6",
    "transformers>=5.3",
    "soundfile>=0.13",
    "soxr>=0.5",
    "scikit-learn>=1.4",
    "matplotlib>=3.8",
)


def is_there(requirement):
    name, least = requirement.split(">=")
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return tuple(map(int, re.findall(r"\d+", found)[:2])) >= tuple(map(int, least.split(".")))


missing = [requirement for requirement in NEEDED if not is_there(requirement)]
if missing:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=True)
warnings.filterwarnings("ignore", message="IProgress")  # of progress bars, of which there are none here
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # says on first use that it looks for fonts

# %%
import json
import math
import os
from functools import lru_cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from huggingface_hub import snapshot_download
from IPython.display import Audio, Markdown, display
from sklearn.metrics import auc, classification_report, confusion_matrix, roc_curve
from torch.utils.data import DataLoader, TensorDataset
from transformers import AutoFeatureExtractor, AutoModel
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function
from transformers.utils import logging as transformers_logging

MODEL = os.environ.get("LINERNOTES_MODEL", "OWNER/NAME")  # a folder, or an id on the Hub
SHORT = os.environ.get("WALKTHROUGH_SHORT") == "1"  # few songs, few epochs: to see that everything runs
SEED = 0
SECONDS = 4.0
SONGS = dict(zip(("training", "validation", "test"), (16, 4, 4) if SHORT else (120, 30, 30)))  # of each genre
EPOCHS = 15 if SHORT else 120
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
COLORS = ("#0072B2", "#56B4E9", "#D55E00", "#CC79A7", "#009E73")  # told apart by the colour-blind

torch.set_num_threads(1)  # steps are small: threads would wait for each other more than they work
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()
plt.rcParams.update({"figure.dpi": 80, "savefig.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})


def show(*rows, first=22, other=14):
    """Prints a table: a word, then what is known of it."""
    for name, *cells in rows:
        print(f"{name:<{first}}" + "".join(f"{cell:>{other}}" for cell in cells))


def picture(name):
    plt.savefig(name)
    plt.show()


def heatmap(axis, values, columns, title, highest, form):
    """Genres down, columns across, every value written into its field."""
    axis.imshow(values, cmap="Blues", aspect="auto", vmin=0, vmax=highest)
    for (i, j), value in np.ndenumerate(values):
        color = "white" if value > highest / 2 else "black"
        axis.text(j, i, format(value, form), ha="center", va="center", color=color, fontsize=9)
    axis.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    axis.set_yticks(range(len(GENRES)), GENRES)
    axis.set_title(title)


extractor = AutoFeatureExtractor.from_pretrained(MODEL, trust_remote_code=True)
published = AutoModel.from_pretrained(MODEL, trust_remote_code=True).to(DEVICE)
RATE = published.config.sampling_rate
print(f"{published.config.model_name} hears {RATE} samples a second and tells apart:", *published.config.labels)

# %% [markdown]
# ### 2. Synthetic Audio Generators
#
# Recordings have owners, so the songs are written here, by the rules that a textbook gives for each genre. A song draws
# its tempo, key, mode, instruments and mix from its seed; only the rules stay. What a model can learn of them is the
# recipe of a genre, not the genre.
#
# | genre | rules |
# |---|---|
# | jazz | swung eighths, ii-V-I in sevenths and ninths, walking bass, chromatic passing notes |
# | blues | twelve bars in shuffle, boogie, a pentatonic lead that bends into its long notes |
# | rock | power chords clipped by `tanh`, kick on one and three, snare on two and four |
# | pop | four on the floor, a clean major tune, verse and chorus, everything loud |
# | classical | many partials, vibrato, one long crescendo, no drums |
#
# First the workshop: tones, drums, and a clip that knows its tempo and its swing.

# %%


def partials(count, slope, even=1.0):
    """How strong each harmonic is: the colour of an instrument. `even=0` leaves the odd ones, as in a clarinet."""
    return tuple(k**-slope * (1.0 if k % 2 else even) for k in range(1, count + 1))


@lru_cache(maxsize=4096)
def one_cycle(strengths):
    turns = 2 * np.pi * np.arange(4096) / 4096
    wave = sum(strength * np.sin(k * turns) for k, strength in enumerate(strengths, 1))
    return (wave / np.abs(wave).max()).astype(np.float32)


def tone(pitch, seconds, strengths, decay=math.inf, attack=0.01, vibrato=0.0, bend=0.0):
    """One note: `bend` semitones flat at first, `vibrato` semitones wide."""
    t = np.arange(int((seconds + 0.05) * RATE), dtype=np.float32) / RATE
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    steps = np.full(len(t), 4096 * frequency / RATE)
    if vibrato or bend:
        flat = bend * np.clip(1 - t / 0.15, 0, 1)
        steps *= np.exp2((vibrato * np.sin(2 * np.pi * 5.5 * t) * np.clip(8 * t - 1, 0, 1) - flat) / 12)
    audible = max(1, int(0.45 * RATE / frequency))  # a harmonic above half the rate would fold back
    wave = one_cycle(strengths[:audible])[np.cumsum(steps).astype(int) & 4095]
    wave = wave * np.minimum(t / attack, 1) * np.minimum((t[-1] - t) / 0.05, 1)
    return wave if decay == math.inf else wave * np.exp(-t / decay)


def drum(rng, seconds, skin=0.0, noise=0.0):
    """A stroke: a skin whose pitch falls, and noise for the wires of a snare or the metal of a cymbal."""
    t = np.arange(int(5 * seconds * RATE), dtype=np.float32) / RATE
    wave = noise * np.diff(rng.standard_normal(len(t) + 1))
    if skin:
        wave += np.sin(2 * np.pi * (skin * t + 3 * (1 - np.exp(-t / 0.02))))
    return wave * np.exp(-t / seconds)


def near(pitch, centre):
    """The same note in the octave around `centre`."""
    return int(pitch + 12 * round((centre - pitch) / 12))


class Clip:
    """A clip while it is written: beats go in, samples come out. Swing lengthens the first eighth of every beat."""

    def __init__(self, rng, seconds, tempo, swing=1.0):
        self.rng, self.tempo, self.late = rng, rng.uniform(*tempo), swing / (1 + swing)
        self.samples = np.zeros(int(seconds * RATE), np.float32)
        self.bars = math.ceil(seconds * self.tempo / 240)
        self.key = int(rng.integers(12))

    def place(self, stem, beat, sound):
        beat, part = divmod(beat, 1)
        beat += 2 * self.late * part if part < 0.5 else self.late + (2 * part - 1) * (1 - self.late)
        room = stem[int(beat * 60 / self.tempo * RATE) :][: len(sound)]
        room += self.rng.uniform(0.7, 1.0) * sound[: len(room)]

    def play(self, gain, notes, strengths, drive=0.0, bend=0.0, **sound):
        """Notes are (beat, beats, pitch); long ones are bent. A driven amplifier clips: tanh adds harmonics."""
        stem = np.zeros_like(self.samples)
        for beat, beats, pitch in notes:
            bent = bend if beats > 0.6 and self.rng.uniform() < 0.7 else 0.0
            self.place(stem, beat, tone(pitch, beats * 60 / self.tempo, strengths, bend=bent, **sound))
        self.samples += gain * self.rng.uniform(0.7, 1.4) * (np.tanh(drive * stem) if drive else stem)

    def strike(self, gain, beats, *args, **kind):
        stem, sound = np.zeros_like(self.samples), drum(self.rng, *args, **kind)
        for bar in range(self.bars):
            for beat in beats:
                self.place(stem, 4 * bar + beat, sound)
        self.samples += gain * self.rng.uniform(0.7, 1.4) * stem

    def tune(self, scale, low, rhythms, chromatic=0.0):
        """A line that walks a scale, mostly by step; off the beat it may lean on the semitone below what comes."""
        ladder = [p for p in range(low, low + 19) if (p - self.key) % 12 in scale]
        notes, rung = [], len(ladder) // 2
        for bar in range(self.bars):
            beat = 4.0 * bar
            for beats in rhythms[self.rng.integers(len(rhythms))]:
                rung = int(np.clip(rung + self.rng.choice([-2, -1, -1, 1, 1, 2]), 0, len(ladder) - 1))
                if beats > 0:  # below 0: a rest
                    lean = beat % 1 and self.rng.uniform() < chromatic
                    notes.append((beat, 0.9 * beats, ladder[rung] - 1 if lean else ladder[rung]))
                beat += abs(beats)
        return notes

    def recorded(self):
        """Every song has its own room, microphone (dull or shrill), hiss and level: timbre alone gives nothing away."""
        late = int(self.rng.uniform(0.03, 0.09) * RATE)
        self.samples[late:] += 0.25 * self.samples[:-late]
        octaves = np.log2(np.maximum(np.fft.rfftfreq(len(self.samples), 1 / RATE), 50) / 1000)
        tilt = 10 ** (self.rng.uniform(-3, 3) * octaves / 20)  # decibels an octave
        wave = np.fft.irfft(np.fft.rfft(self.samples) * tilt, len(self.samples))
        wave /= np.abs(wave).max()
        wave += 10 ** (self.rng.uniform(-90, -60) / 20) * self.rng.standard_normal(len(wave))
        return (self.rng.uniform(0.2, 0.9) * wave / np.abs(wave).max()).astype(np.float32)


# %% [markdown]
# Then the five genres, each a list of rules.

# %%
MAJOR, MINOR, BLUE_NOTES = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 3, 5, 7, 10)


def make_jazz(rng, seconds):
    """Swung eighths on the ride, ii-V-I in ninth chords, a walking bass, a horn with chromatic passing notes."""
    clip = Clip(rng, seconds, (110, 220), swing=rng.uniform(1.6, 2.4))
    changes = [(2, (0, 3, 7, 10, 14)), (7, (0, 4, 7, 10, 14)), (0, (0, 4, 7, 11, 14)), (9, (0, 4, 7, 10, 14))]
    first = rng.integers(4)
    bass, piano = [], []
    for bar in range(clip.bars):
        (root, chord), (coming, _) = changes[(first + bar) % 4], changes[(first + bar + 1) % 4]
        low = near(clip.key + root, 40)
        steps = (low, low + chord[1], low + chord[2], near(clip.key + coming, 40) + rng.choice([-1, 1]))
        bass += [(4 * bar + i, 0.9, pitch) for i, pitch in enumerate(steps)]
        for beat in [(0, 1.5), (1.5, 3.5), (0.5, 2)][rng.integers(3)]:
            piano += [(4 * bar + beat, 0.7, near(clip.key + root + step, 60)) for step in chord]
    clip.play(0.35, bass, partials(8, 1.5), decay=0.4)
    clip.play(0.12, piano, partials(10, rng.uniform(1.4, 2)), decay=0.5)
    rhythms = [[0.5] * 8, [1, 0.5, 0.5, 1, 0.5, 0.5], [-0.5, 0.5, 0.5, 0.5, 1.5, 0.5]]
    horn = {"attack": 0.03, "vibrato": 0.15}
    clip.play(0.25, clip.tune(MAJOR, 58, rhythms, 0.5), partials(20, rng.uniform(0.9, 1.4)), **horn)
    clip.strike(0.06, [0, 1, 1.5, 2, 3, 3.5], 0.12, noise=1)
    clip.strike(0.08, [1, 3], 0.03, noise=1)
    return clip.recorded()


def make_blues(rng, seconds):
    """Twelve bars in shuffle, a boogie in sixths and sevenths below, a pentatonic guitar that bends its long notes."""
    clip = Clip(rng, seconds, (70, 130), swing=rng.uniform(1.85, 2.2))
    twelve_bars = (0, 0, 0, 0, 5, 5, 0, 0, 7, 5, 0, 7)
    first = 0 if clip.bars >= 12 else rng.integers(12)  # a short clip is cut out of the twelve bars
    bass, boogie = [], []
    for bar in range(clip.bars):
        low = near(clip.key + twelve_bars[(first + bar) % 12], 45)
        for i, top in enumerate((7, 7, 9, 9, 10, 10, 9, 9)):
            boogie += [(4 * bar + i / 2, 0.4, low), (4 * bar + i / 2, 0.4, low + top)]
            bass.append((4 * bar + i / 2, 0.45, low - 12))
    clip.play(0.3, bass, partials(12, 1.2), decay=0.25)
    clip.play(0.2, boogie, partials(16, rng.uniform(1.1, 1.6)), decay=0.15)
    rhythms = [[0.5, 0.5, 1, 0.5, 0.5, 1], [-0.5, 0.5, 0.5, 0.5, 2], [1, 0.5, 1.5, 1]]
    lead = {"drive": rng.uniform(0.5, 1.5), "bend": rng.choice([1, 2]), "decay": 0.5, "vibrato": 0.2}
    clip.play(0.2, clip.tune(BLUE_NOTES, 60, rhythms), partials(20, 1.1), **lead)
    clip.strike(0.7, [0, 2], 0.1, skin=55)
    clip.strike(0.7, [1, 3], 0.04, skin=190, noise=0.4)
    clip.strike(0.2, [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5], 0.015, noise=1)
    return clip.recorded()


def make_rock(rng, seconds):
    """Power chords (root, fifth, octave) through a clipping amplifier, the bass with them, a hard backbeat."""
    clip = Clip(rng, seconds, (96, 168))
    roots = [(0, 8, 3, 10), (0, 10, 5, 0), (0, 3, 10, 5)][rng.integers(3)]
    riff = [(0.5,) * 8, (1, 0.5, 0.5, 1, 1), (1.5, 1.5, 1)][rng.integers(3)]
    starts = np.cumsum((0, *riff[:-1]))
    bass = []
    for bar in range(clip.bars):
        low = near(clip.key + roots[bar % 4], 33)
        bass += [(4 * bar + start, beats, low) for start, beats in zip(starts, riff)]
    chords = [(beat, 0.85 * beats, low + step) for beat, beats, low in bass for step in (12, 19, 24)]
    clip.play(0.35, chords, partials(30, 1.0), drive=rng.uniform(3, 9))
    clip.play(0.3, bass, partials(12, 1.0), drive=1.5)
    clip.strike(0.6, [0, 2, 2.5] if rng.uniform() < 0.4 else [0, 2], 0.1, skin=50)
    clip.strike(0.5, [1, 3], 0.08, skin=180, noise=0.6)
    clip.strike(0.12, [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5], 0.06, noise=1)
    return clip.recorded()


def make_pop(rng, seconds):
    """Four on the floor under a clean major tune; the chorus doubles the keys; a pad ducks under every kick."""
    clip = Clip(rng, seconds, (98, 132))
    triads = ((0, 4, 7), (7, 11, 14), (9, 12, 16), (5, 9, 12))  # of I, V, vi and IV
    first, section = 2 * rng.integers(2), max(1, clip.bars // 2)
    bass, keys, pad = [], [], []
    for bar in range(clip.bars):
        chorus, chord = bar // section % 2 == 1, triads[(first + bar) % 4]
        low, voices = near(clip.key + chord[0], 38), [near(clip.key + step, 62) for step in chord]
        bass += [(4 * bar + i / 2, 0.4, low) for i in range(8) if chorus or i % 2]
        keys += [(4 * bar + i, 0.9, pitch) for i in ((0, 1, 2, 3) if chorus else (0, 1.5)) for pitch in voices]
        pad += [(4 * bar, 4, pitch) for pitch in voices if chorus]
    clip.play(0.15, pad, partials(12, 1.0), attack=0.2)
    clip.samples *= 1 - 0.7 * np.exp(-((np.arange(len(clip.samples)) / RATE) % (60 / clip.tempo)) / 0.12)
    clip.play(0.3, bass, partials(10, 1.2), decay=0.3)
    clip.play(0.15, keys, partials(10, 1.6), decay=0.3)
    rhythms = [[1, 0.5, 0.5, -2], [0.5, 0.5, 1, 1, 1], [1.5, 1.5, 1]]
    sound = {"strengths": partials(15, rng.uniform(1, 1.8), even=rng.uniform()), "attack": 0.02, "decay": 0.4}
    clip.play(0.25, clip.tune(MAJOR, 64, rhythms), **sound)
    clip.strike(0.9, [0, 1, 2, 3], 0.12, skin=50)
    clip.strike(0.15, [1, 3], 0.06, noise=1)
    clip.strike(0.04, [0.5, 1.5, 2.5, 3.5], 0.03, noise=1)
    clip.samples = np.tanh(clip.samples)  # the compressor of the radio: loud all the time
    return clip.recorded()


def make_classical(rng, seconds):
    """Bowed voices with many partials and vibrato in one long crescendo; nobody drums."""
    clip = Clip(rng, seconds, (56, 112))
    minor = rng.uniform() < 0.5
    scale, roots = (MINOR, (0, 3, 4, 0)) if minor else (MAJOR, (0, 5, 1, 4))
    strings = {"attack": 0.12, "vibrato": rng.uniform(0.15, 0.3)}
    voices = []
    for bar in range(clip.bars):
        triad = [clip.key + (scale * 2)[roots[bar % 4] + third] for third in (0, 2, 4)]
        voices.append((4 * bar, 4, near(triad[0], 36)))
        for beat in (4 * bar, 4 * bar + 2):
            voices += [(beat, 2, near(pitch, centre)) for pitch, centre in zip(triad, (50, 57, 64))]
    clip.play(0.2, voices, partials(40, rng.uniform(0.9, 1.3)), **strings)
    rhythms = [[2, 1, 1], [1, 1, 1, 1], [3, 1], [1.5, 0.5, 1, 1]]
    clip.play(0.3, clip.tune(scale, 66, rhythms), partials(30, rng.uniform(0.9, 2)), **strings)
    clip.samples *= 10 ** (np.linspace(rng.uniform(-32, -20), 0, len(clip.samples)) / 20)
    return clip.recorded()


MAKERS = (make_jazz, make_blues, make_rock, make_pop, make_classical)
GENRE_GENERATORS = {make.__name__.removeprefix("make_"): make for make in MAKERS}
GENRES = list(GENRE_GENERATORS)

# %% [markdown]
# ### 3. Waveform & Spectrogram Visualisation
#
# Six seconds of each, to hear and to see. Look for the crescendo of the classical clip in its waveform, for the four
# kicks a bar of pop (vertical lines), and for the wall of partials that a clipping amplifier makes in rock.

# %%
examples = {genre: make(np.random.default_rng(7), 6.0) for genre, make in GENRE_GENERATORS.items()}
for genre, samples in examples.items():
    soundfile.write(f"{genre}.mp3", samples, RATE)
    display(Markdown(f"**{genre}**"), Audio(filename=f"{genre}.mp3"))

# %%
MELS = mel_filter_bank(1025, 96, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney")


def decibels(samples):
    window = window_function(2048, "hann")
    power = spectrogram(samples, window, 2048, 512, power=2.0, mel_filters=MELS, log_mel="dB")
    return np.maximum(power - power.max(), -80)


figure, axes = plt.subplots(len(examples), 2, figsize=(10, 7.5), sharex=True, layout="constrained")
for (left, right), (genre, samples), color in zip(axes, examples.items(), COLORS):
    left.plot(np.arange(len(samples)) / RATE, samples, color=color, linewidth=0.3)
    left.set(ylabel=genre, ylim=(-1, 1))
    right.imshow(decibels(samples), origin="lower", aspect="auto", cmap="magma", extent=(0, 6, 0, 1))
    right.set_yticks([])
axes[0, 0].set_title("waveform")
axes[0, 1].set_title("mel spectrogram, 80 dB from black to white")
for axis in axes[-1]:
    axis.set_xlabel("seconds")
picture("genre_spectrograms.png")

# %% [markdown]
# ## Features
#
# ### 4. Feature Extraction
#
# The mixture hears no samples. A clip becomes one row of numbers that say how it sounds on the whole: the numbers that
# the published model takes, made by its own extractor. They come in groups, each of which catches something else.

# %%
NAMES, GROUPS = published.feature_names, published.feature_groups
CATCHES = {
    "mfcc_mean": "timbre: which instruments, how they are played",
    "mfcc_std": "how much the timbre changes: beats, entries, a solo that breathes",
    "chroma": "harmony: how much sound there is on each of the twelve notes",
    "centroid": "brightness: the mean frequency",
    "bandwidth": "how far the sound spreads around it",
    "rolloff": "where the highs end: under it lies 85 % of the sound",
    "zero_crossing_rate": "noise and percussion",
    "rms": "loudness",
    "tempo": "beats a minute, as far as they can be told",
    "harmonic_ratio": "notes, as against strokes and noise",
    "tag mean": "what a network that knows fifty words for music says of the clip",
    "tag deviation": "how much that changes from second to second",
    "tag log-odds": "the same words, with the faint ones told apart",
}


def extract_features(clips):
    """Clips (samples,) -> rows (clips, features)."""
    inputs = extractor(clips, sampling_rate=RATE, return_tensors="pt").to(DEVICE)
    with torch.inference_mode():
        return published.features(**inputs).float()


assert extract_features([examples["jazz"]]).shape == (1, len(NAMES))
for name, group in GROUPS.items():
    print(f"{group.stop - group.start:>3}  {name:<20}{CATCHES.get(name, '')}")

# %% [markdown]
# ### 5. Dataset Generation
#
# A number in hertz and a share of one cannot be compared as they are. So every feature becomes a z-score: how many
# standard deviations from the mean of the *training* songs. (Were test songs in that mean, the test would have been
# seen.) The z-scores say what a genre is to the model; below, for each genre, what sets it apart most.

# %%
rows, labels = {name: [] for name in SONGS}, {name: [] for name in SONGS}
for index, make in enumerate(GENRE_GENERATORS.values()):
    clips = [make(np.random.default_rng([SEED, index, song]), SECONDS) for song in range(sum(SONGS.values()))]
    heard = extract_features(clips).split(list(SONGS.values()))
    for name, part in zip(SONGS, heard):
        rows[name].append(part)
        labels[name].append(torch.full((len(part),), index, device=DEVICE))
rows = {name: torch.cat(parts) for name, parts in rows.items()}
labels = {name: torch.cat(parts) for name, parts in labels.items()}

FEAT_MEAN = rows["training"].mean(0)
FEAT_STD = rows["training"].std(0)
FEAT_STD[FEAT_STD < 1e-6] = 1.0  # what is the same in every song tells nothing
z_scores = (rows["training"] - FEAT_MEAN) / FEAT_STD
for index, genre in enumerate(GENRES):
    mean = z_scores[labels["training"] == index].mean(0)
    strongest = mean.abs().argsort(descending=True)[:3]
    print(f"{genre:<10}" + ", ".join(f"{NAMES[i]} {mean[i]:+.1f}" for i in strongest))

# %% [markdown]
# ### 6. PyTorch Dataset & DataLoaders
#
# Training songs move the weights, validation songs say when to stop, test songs are looked at once. Every genre has the
# same share of each.

# %%
training_songs = TensorDataset(rows["training"], labels["training"])


def batches():
    order = torch.Generator().manual_seed(SEED)
    return DataLoader(training_songs, batch_size=64, shuffle=True, generator=order)


show(("split", "songs", *GENRES), other=11)
show(*((name, len(y), *torch.bincount(y).tolist()) for name, y in labels.items()), other=11)

# %% [markdown]
# ## Architecture
#
# ### 7. Model Architecture
#
# - A **shared encoder** turns the row into 128 numbers that all parts read.
# - Five **experts**, small residual networks, each say something about the song in 32 numbers.
# - The **gate** looks at the same 128 numbers and says how much each expert is listened to: weights that sum to 1.
# - The **classifier** reads the weighted sum of what the experts said.
#
# A song may be bluesy and rocky at once, and then two experts are heard: that is what a mixture is for. Class and
# config come from the published model; only what was learned is left out, and the options that go beyond plain
# z-scores.

# %%
Config = type(published).config_class


def new_model(feat_mean=FEAT_MEAN, feat_std=FEAT_STD, **loss):
    """An untrained mixture of five experts, behind the network that the published model hears with, if any."""
    torch.manual_seed(SEED)
    ears = {name: getattr(published.config, name) for name in ("frontend", "sampling_rate", "num_features")}
    learned = {"feat_mean": feat_mean.tolist(), "feat_std": feat_std.tolist()}
    genres = {"id2label": dict(enumerate(GENRES)), "num_experts": len(GENRES)}
    model = type(published)(Config(model_name="walkthrough", **genres, **ears, **learned, **loss))
    parts = ("encoder", "experts", "gate", "classifier", "feat_")
    frozen = {name: value for name, value in published.state_dict().items() if not name.startswith(parts)}
    model.load_state_dict(frozen, strict=False)
    return model.to(DEVICE)


REMEDY = {"gate_alignment_weight": 0.5, "mutual_information_weight": 0.1, "entropy_weight": 0.0}
model = new_model(**REMEDY).eval()

with torch.inference_mode():
    z = model.normalise(rows["test"][:8])
    hidden = model.encoder(z)
    weights = model.gate(hidden)
    said = torch.stack([expert(hidden) for expert in model.experts], dim=1)
    fused = (weights[..., None] * said).sum(1)
    logits = model.classifier(fused)
assert torch.allclose(weights.sum(1), torch.ones_like(weights[:, 0]))
assert torch.equal(logits, model(rows["test"][:8]).logits)


def parameters(*modules):
    return f"{sum(p.numel() for module in modules for p in module.parameters()):,}"


show(
    ("part", "parameters", "gives, for 8 songs"),
    ("z-scores", 0, str(tuple(z.shape))),
    ("shared encoder", parameters(model.encoder), str(tuple(hidden.shape))),
    ("gate", parameters(model.gate), str(tuple(weights.shape))),
    ("one expert", parameters(model.experts[0]), str(tuple(said[:, 0].shape))),
    ("all experts", parameters(model.experts), str(tuple(said.shape))),
    ("weighted sum", 0, str(tuple(fused.shape))),
    ("classifier", parameters(model.classifier), str(tuple(logits.shape))),
    ("together", parameters(model.encoder, model.gate, model.experts, model.classifier), ""),
    other=22,
)

# %%
figure, axis = plt.subplots(figsize=(10, 3.9), layout="constrained")
axis.set(xlim=(0, 10), ylim=(-0.9, 6))
axis.axis("off")


def box(x, y, text, color="#EEEEEE"):
    style = {"boxstyle": "round,pad=0.5", "facecolor": color, "edgecolor": "#666666"}
    axis.text(x, y, text, ha="center", va="center", bbox=style)


def arrow(x, y, to_x, to_y):
    axis.annotate("", (to_x, to_y), (x, y), arrowprops={"arrowstyle": "->", "color": "#666666"})


for index, (genre, color) in enumerate(zip(GENRES, COLORS)):
    height = 5.6 - 1.2 * index
    arrow(2.9, 3.2, 4.0, height)
    arrow(5.8, height, 6.9, 3.2)
    box(4.9, height, f"expert: {genre}", color + "55")
for start, end in ((0.95, 1.75), (7.65, 8.2), (9.1, 9.45)):
    arrow(start, 3.2, end, 3.2)
arrow(2.4, 2.5, 4.4, -0.45)
arrow(5.4, -0.45, 7.2, 2.5)
box(0.45, 3.2, f"row of\n{len(NAMES)}")
box(2.3, 3.2, "shared\nencoder")
box(4.9, -0.45, "gate")
axis.text(6.7, 0.9, "weights", color="#666666")
box(7.25, 3.2, "weighted\nsum")
box(8.65, 3.2, "classifier")
axis.text(9.5, 3.2, "genre", va="center", fontweight="bold")
picture("architecture.png")

# %% [markdown]
# ### 8. Loss Functions
#
# "Music Genre MoE" trains with three terms: cross-entropy with labels smoothed by 0.1; a load balance (0.05), which
# punishes a gate that sends every song to the same expert; and a bonus (0.01) for gates of high entropy, which listen
# to all experts at once.
#
# None of the three ties an expert to a *genre*. Its authors report what follows, **expert collapse**: at perfect
# accuracy, the jazz expert had 8 % of the weight in jazz, blues 17 %, rock 10 %, pop 1 %, classical 0 %. One or two
# experts did all the work.
#
# The cure is one more term, **gate alignment**: the cross-entropy between the gate itself and the genre, so that the
# gate is asked to name the genre too. With it goes the bonus for high entropy, which asks for the opposite; in its
# place stands mutual information, which rewards a gate that is sure of each song and even over all of them. Here are
# all terms on the first batch, before any training.

# %%


def MoELoss(config, logits, gate, labels):
    """The terms of the loss by name, each as (weight, value); `gate` is (songs, experts), its rows sum to 1."""
    log_gate, mean_gate = gate.clamp(min=1e-9).log(), gate.mean(0)
    first_choice = F.one_hot(gate.argmax(1), config.num_experts).float().mean(0)
    entropy = -(gate * log_gate).sum(1).mean()
    entropy_of_mean = -(mean_gate * mean_gate.log()).sum()
    return {
        "cross-entropy": (1.0, F.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)),
        "load balance": (config.load_balance_weight, config.num_experts * (first_choice * mean_gate).sum()),
        "entropy": (-config.entropy_weight, entropy),
        "mutual information": (-config.mutual_information_weight, entropy_of_mean - entropy),
        "gate alignment": (config.gate_alignment_weight, F.nll_loss(log_gate, labels)),
    }


some_rows, some_labels = next(iter(batches()))
with torch.inference_mode():
    output = model(some_rows, labels=some_labels)
there, here = (MoELoss(config, output.logits, output.gate_weights, some_labels) for config in (Config(), model.config))
assert torch.isclose(sum(weight * value for weight, value in here.values()), output.loss)
show(("term", "value", "weight there", "weight here"))
for name, (weight, value) in here.items():
    show((name, f"{value:.3f}", f"{there[name][0]:+.2f}", f"{weight:+.2f}"))

# %% [markdown]
# ## Train small
#
# ### 9. Training Loop
#
# AdamW from a learning rate of 0.003, which a cosine takes down to nearly nothing; gradients clipped to length 1; and
# an early stop once the validation loss has not fallen for 20 epochs. The mixture is trained twice from the same
# weights: with gate alignment, and with the loss of "Music Genre MoE" as it was, to see its experts collapse with our
# own eyes.

# %%


def measure(model, name):
    output = model(rows[name], labels=labels[name])
    return output.loss.item(), (output.logits.argmax(1) == labels[name]).float().mean().item()


def train(model, patience=20):
    """Trains in place, leaves the weights of the best epoch; returns (loss, accuracy) of both splits by epoch."""
    torch.manual_seed(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS, eta_min=1e-5)
    loader, history, least, since = batches(), [], math.inf, 0
    while len(history) < EPOCHS and since < patience:
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            model(x, labels=y).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        schedule.step()
        model.eval()
        with torch.inference_mode():
            history.append((*measure(model, "training"), *measure(model, "validation")))
        since += 1
        if history[-1][2] < least:
            least, since = history[-1][2], 0
            torch.save(model.state_dict(), "moe_genre_model.pt")
    model.load_state_dict(torch.load("moe_genre_model.pt", weights_only=True))
    return np.array(history)


collapsed = new_model().eval()
histories = {"loss as it was": train(collapsed), "with gate alignment": train(model)}
show(("", "epochs", "the best", "its validation accuracy"), other=26)
for name, history in histories.items():
    best = history[:, 2].argmin()
    show((name, len(history), best + 1, f"{history[best, 3]:.3f}"), other=26)

# %% [markdown]
# ### 10. Training Curves
#
# Where the curves of training and validation part, the model begins to learn its songs by heart; the weights kept are
# those of the lowest validation loss (dot). The two losses have different terms: only their shapes can be compared, not
# their heights.

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
for axis, column, title in zip(axes, (0, 1), ("loss", "accuracy")):
    for (name, history), color in zip(histories.items(), COLORS[::2]):
        epochs, best = np.arange(1, len(history) + 1), history[:, 2].argmin()
        axis.plot(epochs, history[:, column], color=color, linestyle=":")
        axis.plot(epochs, history[:, column + 2], color=color, label=name)
        axis.plot(best + 1, history[best, column + 2], "o", color=color)
    axis.set(xlabel="epoch", title=f"{title} (dotted: training songs, solid: validation)")
axes[0].legend(frameon=False)
axes[1].set_ylim(0.5, 1.02)
picture("training_curves.png")

# %% [markdown]
# ## Evaluate
#
# ### 11. Confusion Matrix & Classification Report
#
# Now the test songs, which neither model has met. The small model was trained on songs of these very generators. The
# published one was not: it learned from others, or from records, and four seconds are little for it. So the left matrix
# says how well five recipes are told apart, the right one how far our recipes sound like the genres that the published
# model knows. Neither says how well records are told apart: for that, see the published figures under the matrices.

# %%
ASKED = {"small": model, "small, loss as it was": collapsed, "published": published.eval()}
probabilities, gates = {}, {}
for name, asked in ASKED.items():
    with torch.inference_mode():
        output = asked(rows["test"])
    probabilities[name] = output.logits.softmax(1).cpu().numpy()
    gates[name] = output.gate_weights.cpu().numpy()
    assert np.allclose(probabilities[name].sum(1), 1, atol=1e-5)
    assert np.allclose(gates[name].sum(1), 1, atol=1e-5)

truth = np.array(GENRES)[labels["test"].cpu()]
heard = {name: np.array(asked.config.labels)[probabilities[name].argmax(1)] for name, asked in ASKED.items()}
others = [label for label in published.config.labels if label not in GENRES]

figure, axes = plt.subplots(1, 2, figsize=(10, 3.9), layout="constrained", width_ratios=[5, 5 + len(others)])
for axis, name, columns in zip(axes, ("small", "published"), (GENRES, GENRES + others)):
    counts = confusion_matrix(truth, heard[name], labels=GENRES + others)[: len(GENRES), : len(columns)]
    title = f"{name}: accuracy {np.mean(heard[name] == truth):.3f}"
    heatmap(axis, counts, columns, title, SONGS["test"], "d")
    axis.set_xlabel("heard as")
axes[0].set_ylabel("written as")
picture("confusion_matrix.png")

print("the small model, on test songs\n")
print(classification_report(truth, heard["small"], labels=GENRES, zero_division=0, digits=3))

# %%
folder = Path(MODEL if Path(MODEL).is_dir() else snapshot_download(MODEL, allow_patterns="metrics.json"))
if (folder / "metrics.json").is_file():
    show(("published figures", "on", "songs", "accuracy", "95 %", "always the same"), first=20, other=17)
    for name, result in json.loads((folder / "metrics.json").read_text())["results"].items():
        value, low, high, same = (
            f"{result['accuracy'][key]:.3f}" for key in ("value", "low", "high", "majority_baseline")
        )
        on = ", ".join(result["sources"])
        show((name.replace("_", " "), on, result["n"], value, f"{low} to {high}", same), first=20, other=17)

# %% [markdown]
# ### 12. Expert Gate Weight Analysis
#
# Who is listened to? Each row of the heat maps is the mean gate of one genre's songs. If every expert keeps to its
# genre, the diagonal is dark: its values are the **self-activation** of the experts. Collapse has two faces: one expert
# who does all the work, as was reported, or a gate that does not choose at all and gives all five about 20 % (the bonus
# for entropy pays for that). In neither does an expert belong to a genre.
#
# Perfect accuracy does not need specialists, which is why nobody notices collapse in a confusion matrix: the classifier
# behind the gate repairs everything. But then the gate weights say nothing, and they are half of the answer: "three
# parts blues, one part rock" is only worth hearing if the blues expert is one.

# %%


def ours(values, names):
    """Columns by name -> the columns of our five genres, zero where there is no such column."""
    empty = np.zeros(len(values))
    return np.stack([values[:, names.index(genre)] if genre in names else empty for genre in GENRES], axis=1)


gates["published"] = ours(gates["published"], published.expert_names)
probabilities["published"] = ours(probabilities["published"], published.config.labels)
profiles = {name: np.array([gate[truth == genre].mean(0) for genre in GENRES]) for name, gate in gates.items()}
reported = np.array([0.08, 0.17, 0.10, 0.01, 0.00])

figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained", width_ratios=[1, 1, 1.5])
heatmap(axes[0], profiles["small, loss as it was"], GENRES, "loss as it was", 1, ".2f")
heatmap(axes[1], profiles["small"], GENRES, "with gate alignment", 1, ".2f")
axes[0].set(ylabel="songs", xlabel="expert")
axes[1].set(xlabel="expert")
bars = {"reported by its authors": reported, "loss as it was": np.diag(profiles["small, loss as it was"])}
bars |= {"with gate alignment": np.diag(profiles["small"]), "published model": np.diag(profiles["published"])}
for index, (name, values) in enumerate(bars.items()):
    places = np.arange(len(GENRES)) + 0.2 * (index - 1.5)
    axes[2].bar(places, values, 0.2, color=("#AAAAAA", *COLORS[::2])[index], label=name)
axes[2].axhline(1 / len(GENRES), color="black", linewidth=0.8, linestyle="--")
axes[2].set_xticks(range(len(GENRES)), GENRES)
axes[2].set(title="weight of a genre's own expert", ylim=(0, 1.3))
axes[2].legend(frameon=False, fontsize=8, ncols=2, loc="upper center")
picture("expert_gates.png")

show(("own expert's weight", *GENRES, "mean"), first=26, other=11)
for name, values in bars.items():
    show((name, *(f"{value:.2f}" for value in (*values, np.mean(values)))), first=26, other=11)

# %% [markdown]
# ### 13. ROC Curves
#
# One genre against the rest: how many false alarms must be borne to find so many of its songs? The area under the curve
# is the chance that a song of the genre is ranked above one of another; 0.5 is a coin. The published model (dashed) may
# rank our songs well even where its first answer is another genre.

# %%
figure, axes = plt.subplots(1, len(GENRES), figsize=(11, 2.7), sharey=True, layout="constrained")
for index, (axis, genre, color) in enumerate(zip(axes, GENRES, COLORS)):
    areas = []
    for name, line in (("small", "-"), ("published", "--")):
        false_alarms, found, _ = roc_curve(truth == genre, probabilities[name][:, index])
        axis.plot(false_alarms, found, line, color=color)
        areas.append(auc(false_alarms, found))
    axis.plot([0, 1], [0, 1], color="#AAAAAA", linewidth=0.8)
    axis.set(title=f"{genre}\n{areas[0]:.3f} (- - {areas[1]:.3f})", xlabel="false alarms")
axes[0].set_ylabel("found")
picture("roc_curves.png")

# %% [markdown]
# ## Explain
#
# ### 14. Expert Activation Radar Charts
#
# The same gate, drawn as a profile: a specialist is a spike towards its own name, a mixture has an area. In colour: the
# small model. Dashed: the published one, as far as its experts are those of our five genres. Where the dashed shape
# leans towards a neighbour, our rules are the neighbour's too, or too few: four seconds of shuffle hold no twelve bars,
# and without them little is left of the blues.

# %%
angles = np.linspace(0, 2 * np.pi, len(GENRES), endpoint=False)
figure, axes = plt.subplots(1, 5, figsize=(11, 2.5), subplot_kw={"projection": "polar"}, layout="constrained")
for index, (axis, genre, color) in enumerate(zip(axes, GENRES, COLORS)):
    styles = {"small": {"color": color, "linewidth": 3}, "published": {"color": "black", "linestyle": "--"}}
    for name, style in styles.items():
        outline = profiles[name][index]
        axis.plot([*angles, 0], [*outline, outline[0]], **style)
    axis.set(title=f"{genre} songs", ylim=(0, 1), yticks=[0.5, 1.0], yticklabels=[])
    axis.set_theta_zero_location("N")
    axis.set_xticks(angles, GENRES, fontsize=8)
    axis.tick_params(pad=-2)
    for label, side in zip(axis.get_xticklabels(), ("center", "right", "right", "left", "left")):
        label.set_horizontalalignment(side)
picture("radar_charts.png")

# %% [markdown]
# ### 15. Feature Importance
#
# What does an answer rest on? The gradient of the winning genre's logit says how much it would rise with each feature;
# times the z-score it says how much this feature gave to this answer (a feature at its mean gave nothing). The mean
# size over all test songs is the importance. It is the importance to this model, not to music: of two features that
# always go together either may get the credit.

# %%
z = model.normalise(rows["test"]).requires_grad_()
winner = model(z, already_normalised=True).logits.amax(1)
(gradient,) = torch.autograd.grad(winner.sum(), z)
given = (gradient * z).detach()
assert torch.allclose(given, model.attribute(rows["test"]), atol=1e-5)

importance = given.abs().mean(0).cpu().numpy()
importance /= importance.sum()
by_group = {name: importance[group].sum() for name, group in GROUPS.items()}
strongest = importance.argsort()[::-1][:20][::-1]
figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
axes[0].barh(range(20), 100 * importance[strongest], color=COLORS[0])
axes[0].set_yticks(range(20), [NAMES[i] for i in strongest], fontsize=8)
axes[0].set(title="the twenty strongest features", xlabel="share of the importance (%)")
axes[1].barh(list(by_group)[::-1], [100 * share for share in by_group.values()][::-1], color=COLORS[4])
axes[1].set(title="by group", xlabel="share of the importance (%)")
picture("feature_importance.png")

# %% [markdown]
# ## Predict your own
#
# ### 16. Predict Your Own Songs
#
# On Colab you are asked for a file; elsewhere set the environment variable `SONG`, or the name in this cell, to a path:
# WAV, FLAC, Ogg or MP3. `predict` reads, resamples, cuts into windows of 30 seconds and averages over them.
#
# With neither, a new jazz song is written to a file and read back, ten seconds of it: longer than any song that the
# small model learned from. If it errs, that is why, for deviations over ten seconds are not those over four. Then try a
# record: the small model knows five recipes and no music, and its confidence will not tell you so.

# %%
SONG = os.environ.get("SONG", "")
if "google.colab" in sys.modules and not SONG:
    from google.colab import files

    SONG = next(iter(files.upload()), "")
if not SONG:
    SONG = "a_new_jazz_song.wav"
    soundfile.write(SONG, make_jazz(np.random.default_rng(4), 10.0), RATE)


def predict_audio_file(path, model):
    """Probabilities by genre, gate weights by expert, and the genre that was heard."""
    answer = model.predict(path)
    return answer["probabilities"], answer["gate_weights"], answer["predicted_genre"]


def pretty_predict(title, probs, weights, pred):
    line = "─" * 55
    print(f"{line}\n🎵 {title}\n{line}")
    print(f"Predicted genre : {pred.upper()} ({probs[pred]:.0%} confidence)\n{line}")
    print("Genre probabilities:")
    for genre in sorted(probs, key=probs.get, reverse=True):
        full = round(30 * probs[genre])
        print(f"  {genre:<10} [{'█' * full}{'░' * (30 - full)}] {probs[genre]:4.0%}")
    print("Expert gate weights:")
    for genre in sorted(weights, key=weights.get, reverse=True):
        full = round(20 * weights[genre])
        print(f"  {genre:<10} [{'▪' * full}{'·' * (20 - full)}] {weights[genre]:.2f}")
    print(line + "\n")


for name in ("small", "published"):
    pretty_predict(f"{Path(SONG).stem}, heard by the {name} model", *predict_audio_file(SONG, ASKED[name]))

# %%
reasons = published.explain(SONG)["features"][:5]
show(("the published answer rests on", "value", "z-score", "gave"), first=36)
for reason in reasons:
    numbers = (f"{reason[key]:.3f}" for key in ("value", "z_score", "attribution"))
    show((reason["name"], *numbers), first=36)

# %% [markdown]
# ## Publish
#
# ### 17. Save & Load
#
# `save_pretrained` writes a whole repository: weights, config with the statistics, the code of the model, the
# extractor's settings. Whoever has the folder loads it as this notebook loaded the published model.

# %%
model.save_pretrained("my-genre-moe")
again = AutoModel.from_pretrained("my-genre-moe", trust_remote_code=True).to(DEVICE)
with torch.inference_mode():
    logits = model(rows["test"]).logits
    assert torch.equal(again(rows["test"]).logits, logits)
print("equal after reloading; the folder holds:")
print(*sorted(path.name for path in Path("my-genre-moe").iterdir()), sep="\n")

# %% [markdown]
# "Music Genre MoE" keeps its model in one file: weights, the statistics of the features, and the names of the genres.
# It holds nothing but tensors and words, so it is read with `weights_only=True`, which runs no code that a stranger may
# have put in.

# %%
torch.save(
    {"model_state_dict": model.state_dict(), "feat_mean": FEAT_MEAN, "feat_std": FEAT_STD, "genres": GENRES},
    "moe_genre_checkpoint.pt",
)


def load_moe_model(path):
    """The model of a checkpoint, the mean and deviation of its features, its genres."""
    saved = torch.load(path, map_location=DEVICE, weights_only=True)
    loaded = new_model(saved["feat_mean"], saved["feat_std"])
    loaded.load_state_dict(saved["model_state_dict"])
    return loaded.eval(), saved["feat_mean"], saved["feat_std"], saved["genres"]


loaded_model, loaded_mean, loaded_std, genres = load_moe_model("moe_genre_checkpoint.pt")
with torch.inference_mode():
    assert torch.equal(loaded_model(rows["test"]).logits, logits)
print(f"equal after reading the checkpoint; its genres: {', '.join(genres)}")

# %% [markdown]
# Either is published by the project's `upload_to_hub.py`, which makes a repository of it, asks that in a clean process,
# and pushes it. The file fits where the mixture hears the 59 statistics and nothing else; a folder always does:
#
# ```sh
# python upload_to_hub.py --repo you/name --checkpoint moe_genre_checkpoint.pt
# python upload_to_hub.py --repo you/name --model my-genre-moe
# ```
