# %% [markdown]
# # Hearing music as a codec wrote it down
#
# A neural codec turns a second of sound into 75 frames of a few whole numbers. This notebook reads them: it shows what
# codes look like, asks the published model about sounds made here, hides codes and has a small model guess them, and
# lets that model learn three sounds from a handful of clips, with and without having guessed before.
#
# It claims nothing in advance: every figure was computed by the run you see. A run takes a few minutes on a CPU;
# nothing but the model is downloaded.

# %% [markdown]
# ## Hear
#
# ### 1. Setup
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
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import soundfile
import torch
from huggingface_hub import snapshot_download
from IPython.display import Audio, Markdown, display
from sklearn.metrics import confusion_matrix
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

MODEL = os.environ.get("LINERNOTES_MODEL", "OWNER/NAME")  # a folder, or an id on the Hub
SHORT = os.environ.get("WALKTHROUGH_SHORT") == "1"  # few clips, few steps: to see that everything runs
SEED = 0
SECONDS = 2.0  # of a clip
CLIPS = {"unlabelled": 12, "training": 2, "test": 4} if SHORT else {"unlabelled": 60, "training": 4, "test": 20}
STEPS = {"guessing": 10, "learning": 6} if SHORT else {"guessing": 150, "learning": 40}
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # told apart by the colour-blind

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()
plt.rcParams.update({"figure.dpi": 80, "savefig.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})


def show(*rows, first=30, other=16):
    """Prints a table: a word, then what is known of it."""
    for name, *cells in rows:
        print(f"{name:<{first}}" + "".join(f"{cell:>{other}}" for cell in cells))


def picture(name):
    plt.savefig(name)
    plt.show()


published = AutoModel.from_pretrained(MODEL, trust_remote_code=True).eval()
config = published.config
RATE, LABELS = config.sampling_rate, config.labels
print(f"{config.model_name} hears {config.num_codebooks} codes a frame, {config.frame_rate:g} frames a second")
print("and tells apart:", *LABELS)

# %% [markdown]
# ### 2. Three Sounds
#
# A plucked string, a blown pipe and a bell: what makes them different is which partials they have and how these fade.
# Pitches, tempo and level are drawn anew for each clip.

# %%


def note(kind, pitch_hz, seconds):
    t = np.arange(int(seconds * RATE)) / RATE
    if kind == "bell":
        partials = [(ratio, 0.6**k) for k, ratio in enumerate((0.5, 1.0, 1.19, 1.56, 2.0, 2.51, 3.01))]
    elif kind == "pipe":
        partials = [(1, 1.0), (2, 0.15), (3, 0.08)]
    else:
        partials = [(k, 1 / k) for k in range(1, 12)]
    waves = [gain * np.sin(2 * np.pi * ratio * pitch_hz * t) for ratio, gain in partials if ratio * pitch_hz < RATE / 2]
    if kind == "pipe":
        shape = np.clip(t / 0.06, 0, 1) * np.clip((seconds - t) / 0.06, 0, 1)
    else:
        shape = np.exp(-t / (0.25 if kind == "string" else 0.6)) * np.clip(t / 0.003, 0, 1)
    return sum(waves) * shape


def play(kind, rng, seconds=SECONDS):
    """A tune of one sound, (samples,) float32."""
    beat, samples = rng.uniform(0.2, 0.45), np.zeros(int(seconds * RATE))
    for start in np.arange(0, seconds, beat):
        sound = note(kind, 220 * 2 ** (rng.choice([0, 2, 4, 7, 9, 12, 14]) / 12), 1.5 * beat)
        room = samples[int(start * RATE) :][: len(sound)]
        room += sound[: len(room)]
    samples = samples / np.abs(samples).max() * rng.uniform(0.1, 0.6)
    return (samples + 0.002 * rng.standard_normal(len(samples))).astype(np.float32)


KINDS = ["string", "pipe", "bell"]
examples = {kind: play(kind, np.random.default_rng(3)) for kind in KINDS}
for kind, samples in examples.items():
    soundfile.write(f"{kind}.mp3", samples, RATE)
    display(Markdown(f"**{kind}**"), Audio(filename=f"{kind}.mp3"))

# %% [markdown]
# ### 3. Ask
#
# `predict` answers with one probability a label. These sounds were made for this notebook; whatever the model says of
# them, it has to take one of its labels, and `uncertain` says when it had better not.

# %%
answers = published.predict([{"array": samples, "sampling_rate": RATE} for samples in examples.values()])
show(("played", "said", "confidence", "uncertain"))
for kind, answer in zip(examples, answers):
    show((kind, answer["predicted_label"], f"{answer['confidence']:.2f}", "yes" if answer["uncertain"] else ""))

# %% [markdown]
# ## Features
#
# ### 4. Codes
#
# The codec's encoder makes a vector of every frame; the first codebook has the entry that is nearest to it, the second
# the entry nearest to what is then left over, and so on. All that is heard from here on are the numbers of entries.
# A frame is shorter than a wave of a low note, so that entries change while a note lasts: what lasts has to be learned.

# %%


def codes_of(samples):
    """(codebooks, frames) whole numbers of one clip."""
    return published.base_model.codec.tokens(torch.from_numpy(samples)[None])[0][0]


figure, axes = plt.subplots(len(KINDS), 1, figsize=(10, 4.5), sharex=True, layout="constrained")
for axis, (kind, samples) in zip(axes, examples.items()):
    codes = codes_of(samples)
    for book, color in zip(range(min(2, len(codes))), COLORS):
        axis.plot(np.arange(codes.shape[1]) / config.frame_rate, codes[book], ".", color=color, markersize=3)
    axis.set(ylabel=kind, yticks=[])
axes[0].set_title("entries of the first two codebooks, frame by frame")
axes[-1].set_xlabel("seconds")
picture("codes.png")

flat, packed = codes.numel(), math.ceil(codes.shape[1] / config.frames_per_patch)
show(("of a clip", "tokens", "positions"), (f"{SECONDS:g} s", f"{flat:,}", f"{packed:,}"))
print(f"attention over positions compares {(flat / packed) ** 2:,.0f} times fewer pairs than over tokens")

# %% [markdown]
# ## Architecture
#
# ### 5. A Global and a Local Encoder
#
# The global encoder has one position for all codes of a few frames. In pre-training a local encoder works inside each
# position and guesses the codes that were hidden; for classification it is left away, and one linear layer reads the
# mean over the positions. Padding changes no answer: below, the same codes alone and with silence of the batch behind
# them.

# %%


def parameters(module):
    return f"{sum(p.numel() for p in module.parameters()):,}"


parts = {"codec": published.model.codec, "global encoder": published.model.encoder, "classifier": published.classifier}
show(("part", "parameters"), *((name, parameters(part)) for name, part in parts.items()))
mask = torch.ones(1, codes.shape[1] + 60)
mask[:, codes.shape[1] :] = 0
padded = torch.nn.functional.pad(codes, (0, 60))[None]
with torch.inference_mode():
    alone, behind = published(codes[None]).logits, published(padded, attention_mask=mask).logits
assert torch.allclose(alone, behind, atol=1e-4)
print("the same answer with padding")

# %% [markdown]
# ## Train small
#
# ### 6. Guessing What Was Hidden
#
# The class that guesses lies in the same file as the published one. Ours starts from random weights, on the published
# codec. A quarter of the codes is hidden; whoever knows nothing guesses one of all entries.

# %%
family = sys.modules[type(published).__module__]
SIZES = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
fields = {**config.to_dict(), **SIZES, "model_name": "small", "dropout": 0.0, "temperature": 1.0, "abstain_below": 0.0}


def small(model_class, **more):
    """A model of random weights on the published codec."""
    torch.manual_seed(SEED)
    model = model_class(type(config).from_dict({**fields, **more}))
    model.base_model.codec.load_state_dict(published.base_model.codec.state_dict())
    return model


def batch_of(clips):
    return torch.stack([codes_of(samples) for samples in clips])


rng = np.random.default_rng(SEED)
unlabelled = batch_of([play(KINDS[i % 3], rng) for i in range(CLIPS["unlabelled"])])
guesser = small(family.MegaAudioFormerForMaskedLM).train()
optimizer = torch.optim.AdamW([p for p in guesser.parameters() if p.requires_grad], lr=2e-3)
losses = []
for _step in range(STEPS["guessing"]):
    rows = torch.randint(len(unlabelled), (8,))
    hidden, asked = guesser.mask(unlabelled[rows])
    loss = guesser(hidden, labels=asked).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
chance = math.log(config.codec_config.codebook_size)
figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
axis.plot(losses, color=COLORS[0])
axis.axhline(chance, color="black", linestyle=":")
axis.set(xlabel="step", title="cross-entropy of hidden codes (dotted: knowing nothing)")
picture("guessing.png")

# %% [markdown]
# ### 7. Learning Three Labels
#
# A few labelled clips, and two models that learn from them for the same number of steps: one from scratch, one with the
# global encoder that has been guessing.

# %%
data = {}
for split in ("training", "test"):
    kinds = [kind for kind in KINDS for _ in range(CLIPS[split])]
    data[split] = batch_of([play(kind, rng) for kind in kinds]), torch.tensor([KINDS.index(kind) for kind in kinds])


def learned(start):
    """A classifier that learned from the training clips, from random weights or from a guesser's."""
    own = {"id2label": dict(enumerate(KINDS)), "label2id": {kind: i for i, kind in enumerate(KINDS)}}
    model = small(type(published), **own)
    if start is not None:
        model.model.load_state_dict(start.model.state_dict())
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    codes, labels = data["training"]
    for _step in range(STEPS["learning"]):
        loss = model.train()(codes, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


models = {"from scratch": learned(None), "fine-tuned": learned(guesser)}

# %% [markdown]
# ## Evaluate
#
# ### 8. On Clips That Nobody Met
#
# Guessing blindly is right in one of three. These are few clips of three made-up sounds, and one run: which of the two
# is better in general is measured in the project, with intervals, on other data.

# %%
codes, truth = data["test"]
with torch.inference_mode():
    said = {name: model(codes).logits.argmax(-1) for name, model in models.items()}
show(("learned", "right", "of"))
show(*((name, int((labels == truth).sum()), len(truth)) for name, labels in said.items()))
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
for axis, (name, labels) in zip(axes, said.items()):
    counts = confusion_matrix(truth, labels, labels=range(3))
    axis.imshow(counts, cmap="Blues", vmin=0)
    for (i, j), value in np.ndenumerate(counts):
        axis.text(j, i, value, ha="center", va="center", color="white" if value > counts.max() / 2 else "black")
    axis.set_xticks(range(3), KINDS)
    axis.set_yticks(range(3), KINDS)
    axis.set(title=name, xlabel="heard", ylabel="played")
picture("confusion_matrices.png")

# %% [markdown]
# ### 9. The Published Model
#
# How it does on recordings that were held out stands in its repository: the figures below, with their intervals.

# %%
folder = Path(MODEL if Path(MODEL).is_dir() else snapshot_download(MODEL, allow_patterns="metrics.json"))


def spread(figure):
    ends = "-" if figure["low"] is None else f"{figure['low']:.3f} to {figure['high']:.3f}"
    same = f"{figure['majority_baseline']:.3f}" if "majority_baseline" in figure else "-"
    return f"{figure['value']:.3f}", ends, same


if (folder / "metrics.json").is_file():
    for name, result in json.loads((folder / "metrics.json").read_text())["results"].items():
        show((f"published, {name}", "value", "95 %", "always the same"), first=44, other=17)
        for key in ("accuracy", "balanced_accuracy", "macro_f1"):
            if key in result:
                show((key.replace("_", " "), *spread(result[key])), first=44, other=17)
        for other, figures in result.get("baselines", {}).items():
            show((f"{other}, accuracy"[:43], *spread(figures["accuracy"])), first=44, other=17)

# %% [markdown]
# ## Explain
#
# ### 10. Second by Second
#
# `explain` leaves out one second after the other and says by how much the leading label's logit falls: where the bar is
# high, the answer rests on that second.

# %%
medley = np.concatenate([examples[kind] for kind in KINDS])
told = published.explain({"array": medley, "sampling_rate": RATE})
figure, axis = plt.subplots(figsize=(8, 2.6), layout="constrained")
starts = [part["start_seconds"] for part in told["heat"]]
axis.bar(starts, [part["heat"] for part in told["heat"]], width=0.9, align="edge", color=COLORS[0])
axis.axhline(0, color="black", linewidth=0.8)
axis.set(xlabel="seconds", title=f"what {told['predicted_label']!r} rests on: {', '.join(KINDS)}, one after another")
picture("heat.png")

# %% [markdown]
# ## Predict your own
#
# ### 11. A File, Codes, a List
#
# On Colab you are asked for a file; elsewhere set the environment variable `SONG` to a path. With neither, the medley
# is written to a file and read back. Codes can be given in place of sound, and a bad file in a list is recorded in its
# place.

# %%
SONG = os.environ.get("SONG", "")
if "google.colab" in sys.modules and not SONG:
    from google.colab import files

    SONG = next(iter(files.upload()), "")
if not SONG:
    SONG = "medley.wav"
    soundfile.write(SONG, medley, RATE)
answer = published.predict(SONG)
print(f"{Path(SONG).name}: {answer['predicted_label']}, heard {answer['heard_seconds']:g} s")
for label in sorted(LABELS, key=answer["probabilities"].get, reverse=True):
    share = answer["probabilities"][label]
    print(f"  {label:<12} {'█' * round(30 * share):<30} {share:.2f}")
by_codes = published.predict(codes=codes_of(medley[: int(config.window_seconds * RATE)]))
print(f"by codes alone: {by_codes['predicted_label']}")
Path("broken.wav").write_bytes(b"RIFF")
both = published.predict([SONG, "broken.wav"], errors="record")
print(f"broken.wav  error: {both[1]['error']['code']}")

# %% [markdown]
# ## Publish
#
# ### 12. Save & Load
#
# `save_pretrained` writes a whole repository: weights, codec, config, code. Whoever has the folder loads it as this
# notebook loaded the published model.

# %%
mine = models["fine-tuned"]
mine.save_pretrained("my-sounds")
again = AutoModel.from_pretrained("my-sounds", trust_remote_code=True).eval()
codes, _ = data["test"]
with torch.inference_mode():
    assert torch.equal(again(codes).logits, mine(codes).logits)
print("equal after reloading; the folder holds:")
print(*sorted(path.name for path in Path("my-sounds").iterdir()), sep="\n")

# %% [markdown]
# The project's `upload_to_hub.py` makes a page of it, asks it in a clean process, and pushes it:
#
# ```sh
# python upload_to_hub.py --repo you/my-sounds --model my-sounds
# ```
