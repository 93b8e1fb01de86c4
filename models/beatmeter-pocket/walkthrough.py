# %% [markdown]
# # Hearing in which meter music is
#
# Three beats to the bar or five, and sometimes three against four: this notebook plays rhythms whose meter is known,
# asks the published model about them, looks into what its answers rest on, and teaches it three meters that it does not
# know, from a handful of clips.
#
# It claims nothing in advance. Beside what was played stands what the model said, right or wrong, and every figure was
# computed by the run you see. A run takes a few minutes on a CPU; nothing but the model is downloaded.

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
import torch.nn.functional as F
from huggingface_hub import snapshot_download
from IPython.display import Audio, Markdown, display
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoFeatureExtractor, AutoModel
from transformers.utils import logging as transformers_logging

MODEL = os.environ.get("LINERNOTES_MODEL", "OWNER/NAME")  # a folder, or an id on the Hub
SHORT = os.environ.get("WALKTHROUGH_SHORT") == "1"  # few clips, few epochs: to see that everything runs
SEED = 0
SECONDS = 12.0  # of a clip
CLIPS = dict(zip(("training", "validation", "test"), (4, 2, 4) if SHORT else (16, 4, 8)))  # of each meter, to learn
ASKED = 2 if SHORT else 8  # of each meter, to ask the published model about
EPOCHS = 4 if SHORT else 40
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # told apart by the colour-blind

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()
plt.rcParams.update({"figure.dpi": 80, "savefig.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})


def show(*rows, first=26, other=14):
    """Prints a table: a word, then what is known of it."""
    for name, *cells in rows:
        print(f"{name:<{first}}" + "".join(f"{cell:>{other}}" for cell in cells))


def picture(name):
    plt.savefig(name)
    plt.show()


extractor = AutoFeatureExtractor.from_pretrained(MODEL, trust_remote_code=True)
published = AutoModel.from_pretrained(MODEL, trust_remote_code=True).to(DEVICE).eval()
RATE, WINDOW, METERS = (getattr(published.config, key) for key in ("sampling_rate", "window_seconds", "labels"))
print(
    f"{published.config.model_name} hears {RATE} samples a second, {WINDOW:g} s at a time, and knows the meters",
    *METERS,
)

# %% [markdown]
# ### 2. Loops Whose Meter Is Known
#
# A bar of seven is hardly ever counted to seven: it is felt as groups of two and three, such as 2+2+3. A drummer
# shows them: the bass drum where the bar begins, the snare where another group does, the cymbal on every pulse. A
# bass repeats its riff bar after bar. Tempo, riff, sounds, room, level and where in the bar the clip begins are drawn
# anew for every clip; only the meter and its groups are ours to choose.
#
# That is all there is in these loops. Real music hides its meter behind much more.

# %%


def tone(pitch, seconds, slope):
    """A plucked note; `slope` says how fast its harmonics get weaker."""
    t = np.arange(int(seconds * RATE)) / RATE
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    harmonics = range(1, min(9, int(0.45 * RATE / frequency) + 1))  # one above half the rate would fold back
    wave = sum(k**-slope * np.sin(2 * np.pi * k * frequency * t) for k in harmonics)
    return wave * np.minimum(t / 0.005, 1) * np.exp(-4 * t / seconds)


def drum(rng, seconds, skin=0.0, noise=0.0):
    """A stroke: a skin whose pitch falls, and noise for the wires of a snare or the metal of a cymbal."""
    t = np.arange(int(5 * seconds * RATE)) / RATE
    wave = noise * np.diff(rng.standard_normal(len(t) + 1))
    if skin:
        wave = wave + np.sin(2 * np.pi * (skin * t + 3 * (1 - np.exp(-t / 0.02))))
    return wave * np.exp(-t / seconds)


def place(samples, seconds, sound, rng, gain=1.0):
    """Adds a sound, a little early or late and never twice as loud, as hands do."""
    start = round((seconds + rng.normal(0, 0.004)) * RATE)
    if start >= 0:
        room = samples[start:][: len(sound)]
        room += gain * rng.uniform(0.8, 1.1) * sound[: len(room)]


def recorded(samples, rng):
    """A room, hiss and a level of its own."""
    late = int(rng.uniform(0.03, 0.09) * RATE)
    echo = np.concatenate((np.zeros(late), samples[:-late]))
    wave = samples + rng.uniform(0.1, 0.3) * echo
    wave = wave / np.abs(wave).max() + 10 ** (rng.uniform(-80, -55) / 20) * rng.standard_normal(len(wave))
    return (rng.uniform(0.3, 0.9) * wave / np.abs(wave).max()).astype(np.float32)


def play(rng, groups, seconds=SECONDS, pulse=None):
    """A loop in a meter of these groups, such as (2, 2, 3): samples, when bars begin, seconds from pulse to pulse."""
    quarters = max(groups) == 1  # each pulse is a beat; else pulses are eighths
    pulse = pulse or rng.uniform(*((0.33, 0.6) if quarters else (0.17, 0.26)))
    meter, starts = sum(groups), set(np.cumsum((0, *groups[:-1])).tolist())
    riff, sounds = rng.integers(40, 52) + rng.choice([0, 3, 5, 7, 10, 12], meter), rng.uniform(size=meter) < 0.75
    slope = rng.uniform(1, 2)
    kick, snare = drum(rng, 0.1, skin=rng.uniform(45, 70)), drum(rng, 0.07, rng.uniform(150, 240), noise=0.5)
    cymbal = drum(rng, rng.uniform(0.015, 0.04), noise=1)
    samples, bars = np.zeros(int(seconds * RATE)), []
    offset = -rng.uniform(0, meter) * pulse
    for number in range(math.ceil((seconds - offset) / pulse)):
        time, beat = offset + number * pulse, number % meter
        if beat == 0:
            bars.append(time)
            place(samples, time, kick, rng)
        elif beat in starts:
            place(samples, time, snare, rng, 0.6)
        place(samples, time, cymbal, rng, 0.3 if beat in starts else 0.15)
        if quarters:
            place(samples, time + pulse / 2, cymbal, rng, 0.1)
        if beat == 0 or sounds[beat]:
            place(samples, time, tone(riff[beat], 1.5 * pulse, slope), rng, 0.35)
    return recorded(samples, rng), [time for time in bars if time >= 0], pulse


GROUPS = {
    "3": [(1, 1, 1)],
    "4": [(1, 1, 1, 1)],
    "5": [(3, 2), (2, 3)],
    "7": [(2, 2, 3), (3, 2, 2)],
    "9": [(3, 3, 3), (2, 2, 2, 3)],
    "11": [(2, 2, 3, 2, 2), (3, 3, 3, 2)],
}
KNOWN = [meter for meter in METERS if meter in GROUPS]
examples = {meter: play(np.random.default_rng(7), GROUPS[meter][0]) for meter in KNOWN}
for meter, (samples, _, _) in examples.items():
    soundfile.write(f"{meter}.mp3", samples[: 6 * RATE], RATE)
    display(Markdown(f"**{meter}** as {'+'.join(map(str, GROUPS[meter][0]))}"), Audio(filename=f"{meter}.mp3"))

# %%
figure, axes = plt.subplots(len(examples), 1, figsize=(10, 1.1 * len(examples)), sharex=True, layout="constrained")
for axis, (meter, (samples, bars, _)) in zip(axes, examples.items()):
    axis.plot(np.arange(6 * RATE) / RATE, samples[: 6 * RATE], color=COLORS[0], linewidth=0.3)
    for bar in bars:
        axis.axvline(bar, color=COLORS[1], linewidth=1)
    axis.set(ylabel=meter, yticks=[], xlim=(0, 6))
axes[0].set_title("six seconds of each loop; a line where a bar begins")
axes[-1].set_xlabel("seconds")
picture("loops.png")

# %% [markdown]
# ### 3. Ask
#
# `predict` answers with a probability for each meter. They are independent of each other: music may be in three *and*
# in four, or in none of them. A meter is in `meters` where its probability reaches its threshold (the short lines), and
# `uncertain` where none does, or where even the largest is too low to rely on.

# %%


def as_input(samples):
    return {"array": samples, "sampling_rate": RATE}


def ask(clips):
    return published.predict([as_input(samples) for samples in clips])


def words(answer):
    return (answer["predicted_meter"], ", ".join(answer["meters"]) or "none", "yes" if answer["uncertain"] else "")


answers = dict(zip(examples, ask([samples for samples, _, _ in examples.values()])))
thresholds = published.config.thresholds or [0.5] * len(METERS)
figure, axes = plt.subplots(1, len(answers), figsize=(11, 2.5), sharey=True, layout="constrained")
for axis, (meter, answer) in zip(axes, answers.items()):
    shares = [answer["probabilities"][label] for label in METERS]
    axis.bar(METERS, shares, color=[COLORS[1] if label == meter else "#AAAAAA" for label in METERS])
    axis.hlines(thresholds, np.arange(len(METERS)) - 0.4, np.arange(len(METERS)) + 0.4, color="black", linewidth=1)
    axis.set(title=f"played: {meter}", ylim=(0, 1))
axes[0].set_ylabel("probability")
picture("probabilities.png")

show(("played", "most probable", "meters", "uncertain"), other=22)
show(*((meter, *words(answer)) for meter, answer in answers.items()), other=22)

# %% [markdown]
# ## Features
#
# ### 4. Frames
#
# The backbone, a HuBERT that was trained on music, turns sound into frames, many a second, of some hundred numbers
# each. Every layer says it in its own way; the model mixes the layers by learned weights. BeatMeter then takes the
# mean and the maximum of all frames. That tells what was heard, not when: the same frames in any other order have the
# same mean.

# %%


def prepared(clips):
    """Clips of one length as the model takes them."""
    return extractor(clips, sampling_rate=RATE, return_tensors="pt").to(DEVICE)


def frames_of(samples):
    """(frames, channels) of one clip: the layers of the backbone, mixed as the model mixes them."""
    with torch.no_grad():
        heard = published.backbone(prepared([samples])["input_values"], output_hidden_states=True)
        layers = torch.stack((*heard.hidden_states[1:-1], heard.last_hidden_state))
        return torch.einsum("l,lbtc->btc", published.layer_weights(), layers)[0].float().cpu().numpy()


frames = {meter: frames_of(samples) for meter, (samples, _, _) in examples.items()}
FRAME_RATE = RATE / math.prod(published.config.backbone_config.conv_stride)
some = frames[KNOWN[0]]
print(f"{SECONDS:g} s are {len(some)} frames, {FRAME_RATE:g} a second, of {some.shape[1]} channels")
mixed_up = np.random.default_rng(SEED).permutation(some)
print("the frames in another order: the same mean,", np.allclose(mixed_up.mean(0), some.mean(0), atol=1e-4), end="")
print("; the same maximum,", np.array_equal(mixed_up.max(0), some.max(0)))

# %% [markdown]
# ### 5. Periods
#
# A meter is in what comes again: after a pulse, after a group, after a bar. So compare the frames with themselves
# some time later. Where this lag is a pulse or a bar, they are more alike. On a logarithmic axis of lags another
# tempo is only a shift: what stays is the distance from pulse to bar, which is the meter. Below, two tempos of one
# meter, and another meter, each with lines at its pulse and at its bar. Look whether a peak stands at the bar, and
# what else does: multiples of the pulse and of groups get in its way, and that is what makes meters hard.

# %%


def likeness(frames):
    """How alike frames (frames, channels) are to those some frames later, 1 for the same, by the lag in frames."""
    normed = (frames - frames.mean(0)) / (frames.std(0) + 1e-6)
    spectrum = np.fft.rfft(normed, 2 * len(normed), axis=0)
    sums = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[: len(normed)].mean(1)
    return sums / np.arange(len(normed), 0, -1)


shown = [(KNOWN[-3], 0.24), (KNOWN[-3], 0.17), (KNOWN[-2], 0.2)]
figure, axes = plt.subplots(len(shown), 1, figsize=(10, 5), sharex=True, layout="constrained")
for axis, (meter, seconds) in zip(axes, shown):
    samples, _, pulse = play(np.random.default_rng(3), GROUPS[meter][0], pulse=seconds)
    values = likeness(frames_of(samples))[: int(SECONDS / 2 * FRAME_RATE)]
    first = int(0.1 * FRAME_RATE)
    axis.plot(np.arange(first, len(values)) / FRAME_RATE, values[first:], color=COLORS[0])
    for lag, color in ((pulse, COLORS[2]), (int(meter) * pulse, COLORS[1])):
        axis.axvline(lag, color=color, linewidth=1)
    axis.set(xscale="log", ylabel=f"{meter}, {seconds:g} s")
axes[0].set_title("how alike frames are that lie so far apart (green: the pulse, red: the bar)")
axes[-1].set_xlabel("lag (seconds)")
axes[-1].set_xticks([0.1, 0.2, 0.5, 1, 2, 5], ["0.1", "0.2", "0.5", "1", "2", "5"])
picture("periods.png")

# %% [markdown]
# ### 6. A Handful of Clips of Your Own
#
# The published model has no name for six, eight and ten. They become our own data set: a few labelled clips, as you
# might cut out of recordings. What the backbone hears of a clip is computed once and kept, so that learning costs
# little.
#
# Eight and ten are also tested in groups that no training clip has: if these are heard too, meters were learned, and
# not patterns by heart.
#
# For recordings of yours, put excerpts of one length in the place of `clips_of`: mono, floats, at the model's rate.

# %%
OWN = {"6": [(3, 3)], "8": [(3, 3, 2), (2, 3, 3)], "10": [(3, 3, 2, 2), (2, 2, 3, 3)]}
NEW_GROUPS = {"8": [(3, 2, 3)], "10": [(3, 2, 2, 3)]}
TENSORS = ("means", "maxima", "weights", "frames", "frame_chunks")


def listened(clips):
    """What the backbone hears of clips of one length."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(clips), 8):
            parts.append(published.listen(**prepared(clips[start : start + 8])))
    columns = [[getattr(part, name) for part in parts] for name in TENSORS]
    tensors = [None if column[0] is None else torch.cat(column) for column in columns]
    return type(parts[0])(*tensors, [span for part in parts for span in part.spans])


def chosen(heard, rows):
    """What was heard of some of the clips."""
    tensors = [getattr(heard, name) for name in TENSORS]
    picked = [None if tensor is None else tensor[rows] for tensor in tensors]
    return type(heard)(*picked, [heard.spans[row] for row in rows.tolist()])


def clips_of(meter, choices, count, seed):
    return [
        play(np.random.default_rng([SEED, seed, int(meter), i]), choices[i % len(choices)])[0] for i in range(count)
    ]


heard, truth, is_new = {}, {}, {}
for number, (split, count) in enumerate(CLIPS.items()):
    clips, labels, new = [], [], []
    for index, (meter, choices) in enumerate(OWN.items()):
        parts = [(choices, count, False)]
        if split == "test" and meter in NEW_GROUPS:
            parts = [(choices, count // 2, False), (NEW_GROUPS[meter], count // 2, True)]
        for groups, many, never in parts:
            clips += clips_of(meter, groups, many, seed=10 * number + never)
            labels += [index] * many
            new += [never] * many
    heard[split], truth[split] = listened(clips), torch.tensor(labels, device=DEVICE)
    is_new[split] = np.array(new)

show(("clips", *OWN, "in new groups"))
show(*((split, *torch.bincount(labels).tolist(), is_new[split].sum()) for split, labels in truth.items()))

# %% [markdown]
# ## Architecture
#
# ### 7. From Sound to Meters
#
# - The **backbone** hears chunks of a few seconds.
# - **Layer weights** mix its layers; they add up to 1.
# - **Pooling** takes mean and maximum over all frames.
# - A **tempogram**, where the model has one, does what section 5 did, with channels that were learned, and looks for
#   patterns along the axis of lags.
# - The **head** makes of this one number a meter, and a sigmoid of that a probability.
#
# The model is `judge(listen(sound))`: everything behind the backbone can be asked again without hearing again.

# %%
Model, Config = type(published), type(published).config_class
HAS_PERIODS = hasattr(published, "tempogram")

clips = [samples for samples, _, _ in examples.values()]
with torch.no_grad():
    by_parts = published.judge(listened(clips))
    at_once = published(**prepared(clips))
assert torch.allclose(by_parts.logits, at_once.logits, atol=1e-4)
assert torch.isclose(by_parts.layer_weights[0].sum(), torch.tensor(1.0, device=DEVICE))


def parameters(module):
    return f"{sum(p.numel() for p in module.parameters()):,}"


rows = [("backbone", parameters(published.backbone)), ("layer weights", published.layer_logits.numel())]
rows += [("tempogram", parameters(published.tempogram))] if HAS_PERIODS else []
show(("part", "parameters"), *rows, ("head", parameters(published.head)), ("together", parameters(published)))
print(f"\n{len(clips)} clips -> logits {tuple(at_once.logits.shape)}")

# %% [markdown]
# ### 8. The Loss
#
# Each meter is a question of its own, yes or no: binary cross-entropy, meter by meter. Two things make it fair. The
# target of a meter that is not there is 0.1 instead of 0, for who is ever quite sure that nobody counts in three? And a
# yes weighs more than a no, as most meters are not there most of the time.

# %%


def meter_loss(logits, targets, weights):
    """Mean over clips and meters; weights are those of the yes."""
    yes, no = -F.logsigmoid(logits), -F.logsigmoid(-logits)
    return (weights * targets * yes + (1 - targets) * no).mean()


def smooth(labels, count):
    return 0.9 * F.one_hot(labels, count).float() + 0.1


def new_model():
    """The published model with our three meters for its own: all weights are kept that fit, the last layer is new."""
    torch.manual_seed(SEED)
    own = {"id2label": dict(enumerate(OWN)), "label2id": {meter: i for i, meter in enumerate(OWN)}}
    neutral = {
        "temperature": 1.0,
        "thresholds": None,
        "abstain_below": 0.0,
        "pos_weight": [float(len(OWN) - 1)] * len(OWN),
    }
    fields = {**published.config.to_dict(), **own, **neutral, "model_name": "my-meters"}
    model = Model(Config.from_dict(fields))
    fitting = {name: value.shape for name, value in model.state_dict().items()}
    kept = {name: value for name, value in published.state_dict().items() if fitting[name] == value.shape}
    model.load_state_dict(kept, strict=False)
    return model.to(DEVICE).eval()


model = new_model()
targets = smooth(truth["training"], len(OWN))
with torch.no_grad():
    logits = model.judge(heard["training"]).logits
weights = torch.tensor(model.config.pos_weight, device=DEVICE)
if model.config.problem_type == "multi_label_classification":
    assert torch.isclose(meter_loss(logits, targets, weights), model.loss(logits, targets), atol=1e-5)
fresh = sum(
    value.numel() for name, value in model.state_dict().items() if value.shape != published.state_dict()[name].shape
)
print(f"of {parameters(model)} weights {fresh:,} are new, those of the last layer")
print(f"loss before any training: {meter_loss(logits, targets, weights):.3f}")

# %% [markdown]
# ## Train small
#
# ### 9. Fine-tuning
#
# The backbone stays as it is. Twice from the same start: once only the head learns, once the tempogram with it, if
# there is one. AdamW, a learning rate that a cosine takes down to nothing, and the weights kept are those of the
# lowest validation loss. With so few clips more cannot be learned without learning them by heart. (With many, and a
# GPU, let adapters learn in the backbone too: that is LoRA, which the recipe of the published model knows.)

# %%


def fine_tune(model, parts):
    """Trains the named parts in place, leaves the best epoch's weights; (training, validation) loss by epoch."""
    learning = [p for part in parts for p in getattr(model, part).parameters()]
    optimizer = torch.optim.AdamW(learning, lr=1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    order, history, best = torch.Generator().manual_seed(SEED), [], None
    torch.manual_seed(SEED)
    for _ in range(EPOCHS):
        model.train()
        model.backbone.eval()
        losses = []
        for rows in torch.randperm(len(truth["training"]), generator=order).split(12):
            labels = smooth(truth["training"][rows.to(DEVICE)], len(OWN))
            loss = model.loss(model.judge(chosen(heard["training"], rows.to(DEVICE))).logits, labels)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learning, 1.0)
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
        model.eval()
        with torch.no_grad():
            labels = smooth(truth["validation"], len(OWN))
            history.append((np.mean(losses), model.loss(model.judge(heard["validation"]).logits, labels).item()))
        if history[-1][1] == min(loss for _, loss in history):
            best = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(best)
    return np.array(history)


PARTS = {"the head alone": ["head"]} | ({"periods too": ["tempogram", "head"]} if HAS_PERIODS else {})
tuned = {name: new_model() for name in PARTS}
histories = {name: fine_tune(tuned[name], parts) for name, parts in PARTS.items()}
show(("what learned", "epochs", "the best", "its loss"), first=20)
for name, history in histories.items():
    best = history[:, 1].argmin()
    show((name, len(history), best + 1, f"{history[best, 1]:.3f}"), first=20)

# %% [markdown]
# ### 10. Training Curves
#
# Where the curves of training and validation part, the clips begin to be learned by heart. The dot is the epoch that
# was kept.

# %%
figure, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
for (name, history), color in zip(histories.items(), COLORS):
    epochs, best = np.arange(1, len(history) + 1), history[:, 1].argmin()
    axis.plot(epochs, history[:, 0], color=color, linestyle=":")
    axis.plot(epochs, history[:, 1], color=color, label=name)
    axis.plot(best + 1, history[best, 1], "o", color=color)
axis.set(xlabel="epoch", title="loss (dotted: training clips, solid: validation)")
axis.legend(frameon=False)
picture("training_curves.png")

# %% [markdown]
# ## Evaluate
#
# ### 11. Our Three Meters
#
# The test clips, which nothing has met. Beside the tuned models stands logistic regression on the mean and the
# maximum of the frames, which forget order: what it gets right it got by other means, such as how often drums are
# hit. Guessing is right in one of three. Mind how few clips there are: one more or less right is several percent.

# %%


def pooled(split):
    return heard[split].pooled().flatten(1).float().cpu().numpy()


said = {}
regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
said["mean and maximum alone"] = regression.fit(pooled("training"), truth["training"].cpu()).predict(pooled("test"))
for name, model in tuned.items():
    with torch.no_grad():
        said[name] = model.judge(heard["test"]).logits.argmax(1).cpu().numpy()

played, never = truth["test"].cpu().numpy(), is_new["test"]
show(("right, of test clips", "all", "known groups", "new groups"))
for name, indices in said.items():
    right = indices == played
    show((name, *(f"{part.sum()} of {len(part)}" for part in (right, right[~never], right[never]))))


def matrix(axis, rows, columns, truths, answers, title):
    """Played down, heard across, the counts written into their fields."""
    counts = confusion_matrix(truths, answers, labels=columns)[: len(rows)]
    axis.imshow(counts, cmap="Blues", aspect="auto", vmin=0)
    for (i, j), value in np.ndenumerate(counts):
        axis.text(j, i, value, ha="center", va="center", color="white" if value > counts.max() / 2 else "black")
    axis.set_xticks(range(len(columns)), columns)
    axis.set_yticks(range(len(rows)), rows)
    axis.set(title=title, xlabel="heard", ylabel="played")


# %% [markdown]
# ### 12. The Published Model
#
# Now its own meters, on loops of ours that it has never met, and that were not made by the composer whose music it
# learned from. This is no measurement of the model, for a few bare loops stand for no music. How it does on music that
# was held out, and how a plain method does, is measured in its repository: those figures are below, with their
# intervals.

# %%
asked, loops, tempos = [], [], []
for meter in KNOWN:
    for number in range(ASKED):
        groups = GROUPS[meter][number % len(GROUPS[meter])]
        samples, _, pulse = play(np.random.default_rng([SEED, 99, int(meter), number]), groups)
        asked.append(meter)
        loops.append(samples)
        tempos.append(pulse)
answers = ask(loops)
first = np.array([answer["predicted_meter"] for answer in answers])
asked = np.array(asked)

figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
own = np.array(list(OWN))
tuned_name = list(tuned)[-1]
matrix(axes[0], KNOWN, METERS, asked, first, "the published model, its meters")
matrix(axes[1], list(OWN), list(OWN), own[played], own[said[tuned_name]], f"tuned ({tuned_name}), ours")
picture("confusion_matrices.png")

right = first == asked
fast = np.array(
    [pulse < np.median([p for p, m in zip(tempos, asked) if m == meter]) for pulse, meter in zip(tempos, asked)]
)
certain = np.array([not answer["uncertain"] for answer in answers])
show(("the published model", "right"), other=20)
parts = {"all": right, "slower half": right[~fast], "faster half": right[fast], "not uncertain": right[certain]}
show(*((name, f"{part.sum()} of {len(part)}") for name, part in parts.items()), other=20)

# %%
folder = Path(MODEL if Path(MODEL).is_dir() else snapshot_download(MODEL, allow_patterns="metrics.json"))


def spread(figure):
    ends = "-" if figure["low"] is None else f"{figure['low']:.3f} to {figure['high']:.3f}"
    same = f"{figure['majority_baseline']:.3f}" if "majority_baseline" in figure else "-"
    return f"{figure['value']:.3f}", ends, same


if (folder / "metrics.json").is_file():
    for name, result in json.loads((folder / "metrics.json").read_text())["results"].items():
        show((f"published, {name}", "value", "95 %", "always the same"), first=52, other=17)
        for key in ("accuracy", "balanced_accuracy", "map"):
            if key in result:
                show((key.replace("_", " "), *spread(result[key])), first=52, other=17)
        for other, figures in result.get("baselines", {}).items():
            show((f"{other}, accuracy"[:51], *spread(figures["accuracy"])), first=52, other=17)
        for table in ("by_origin", "by_novelty"):
            for heading, figures in result.get(table, {}).items():
                show((f"accuracy, {heading}"[:51], *spread(figures["accuracy"])), first=52, other=17)

# %% [markdown]
# ### 13. Polyrhythm
#
# Three against four: two players divide the same stretch of time, one into three, the other into four. Neither is
# wrong, and so the answer has several meters. `polyrhythm` is true where two that do not divide each other reach
# their thresholds in the same seconds. Below, pairs of layers, and for comparison each layer alone.

# %%


def layers(rng, *parts, seconds=SECONDS, cycle=1.8):
    """Each part divides the cycle into so many strokes, with a sound of its own."""
    samples, offset = np.zeros(int(seconds * RATE)), -rng.uniform(0, cycle)
    for number, strokes in enumerate(parts):
        sound = tone((76, 57)[number], 0.25, 1.5)
        for stroke in range(math.ceil((seconds - offset) / cycle) * strokes):
            accent = 1.0 if stroke % strokes == 0 else 0.6
            place(samples, offset + stroke * cycle / strokes, sound, rng, accent)
    return recorded(samples, rng)


PAIRS = [(3,), (4,), (3, 4), (4, 5), (4, 7)]
crossed = {" against ".join(map(str, parts)): layers(np.random.default_rng(5), *parts) for parts in PAIRS}
soundfile.write("three_against_four.mp3", crossed["3 against 4"][: 6 * RATE], RATE)
display(Markdown("**3 against 4**"), Audio(filename="three_against_four.mp3"))

answers = dict(zip(crossed, ask(list(crossed.values()))))
figure, axes = plt.subplots(1, len(answers), figsize=(11, 2.5), sharey=True, layout="constrained")
for axis, (name, answer) in zip(axes, answers.items()):
    inside = name.split(" against ")
    shares = [answer["probabilities"][label] for label in METERS]
    axis.bar(METERS, shares, color=[COLORS[1] if label in inside else "#AAAAAA" for label in METERS])
    axis.hlines(thresholds, np.arange(len(METERS)) - 0.4, np.arange(len(METERS)) + 0.4, color="black", linewidth=1)
    axis.set(title=name, ylim=(0, 1))
axes[0].set_ylabel("probability")
picture("polyrhythms.png")

show(("played", "most probable", "meters", "polyrhythm"), other=22)
for name, answer in answers.items():
    show((name, *words(answer)[:2], "yes" if answer["polyrhythm"] else "no"), other=22)

# %% [markdown]
# ## Explain
#
# ### 14. Layers
#
# `explain` gives the answer with what it rests on. First, which layers of the backbone: their weights were learned and
# are the same for every recording. All alike would mean that it makes no difference, or that little was learned.

# %%
HALF = 2 * WINDOW  # seconds, so that each half is heard in windows of its own
halves = [(KNOWN[1], 21), (KNOWN[3 % len(KNOWN)], 22)]
song = np.concatenate([play(np.random.default_rng(seed), GROUPS[meter][0], HALF)[0] for meter, seed in halves])
explained = published.explain(as_input(song))

for layer in explained["layers"]:
    print(f"layer {layer['layer']:>2}  {layer['weight']:.3f}  {'█' * round(60 * layer['weight'])}")

# %% [markdown]
# ### 15. Heat
#
# Second, which seconds: the heat of a second is how much the logit of the predicted meter falls in its window when what
# was heard in that second does not count. Positive, and the second speaks for that meter; negative, and it speaks
# against it. The song is made of two meters, the second from the dashed line on.

# %%
figure, axes = plt.subplots(2, 1, figsize=(10, 4), sharex=True, layout="constrained")
axes[0].plot(np.arange(len(song))[::50] / RATE, song[::50], color=COLORS[0], linewidth=0.3)
axes[0].set(yticks=[], title=f"a song in {halves[0][0]}, then in {halves[1][0]}")
for step in explained["heat"]:
    start, end = step["start_seconds"], step["end_seconds"]
    color = COLORS[1] if step["heat"] > 0 else COLORS[0]
    axes[1].bar(start, step["heat"], width=end - start, align="edge", color=color, edgecolor="white")
axes[1].axhline(0, color="black", linewidth=0.8)
axes[1].set(xlabel="seconds", ylabel="heat", title=f"what each second gives the answer, {explained['predicted_meter']}")
for axis in axes:
    axis.axvline(HALF, color="black", linestyle="--", linewidth=1)
picture("heat.png")

# %% [markdown]
# ## Predict your own
#
# ### 16. A Song That Changes Its Meter
#
# On Colab you are asked for a file; elsewhere set the environment variable `SONG`, or the name in this cell, to a
# path: WAV, FLAC, Ogg or MP3. With neither, the song of two meters is written to a file and read back.
# `timeline=True` adds an answer for each window; the answer on top is their mean, and of a song in two meters it is a
# mixture.

# %%
SONG = os.environ.get("SONG", "")
if "google.colab" in sys.modules and not SONG:
    from google.colab import files

    SONG = next(iter(files.upload()), "")
if not SONG:
    SONG = "two_meters.wav"
    soundfile.write(SONG, song, RATE)

answer = published.predict(SONG, timeline=True)
show((Path(SONG).name, "most probable", "meters", "uncertain"), other=22)
show(("the whole", *words(answer)), other=22)
for window in answer["timeline"]:
    show((f"{window['start_seconds']:6.1f} to {window['end_seconds']:.1f} s", *words(window)), other=22)
for warning in answer["warnings"]:
    print(warning)

# %%
values = np.array([[window["probabilities"][label] for label in METERS] for window in answer["timeline"]]).T
edges = [window["start_seconds"] for window in answer["timeline"]] + [answer["duration_seconds"]]
figure, axis = plt.subplots(figsize=(10, 2.6), layout="constrained")
grid = axis.pcolormesh(edges, np.arange(len(METERS) + 1), values, cmap="Blues", vmin=0, vmax=1)
axis.set_yticks(np.arange(len(METERS)) + 0.5, METERS)
axis.set(xlabel="seconds", title="probability of each meter, window by window")
figure.colorbar(grid, ax=axis)
picture("timeline.png")

# %% [markdown]
# ### 17. Many at Once
#
# A list is answered in order, whatever its items are: paths, bytes, arrays. With `errors="record"` one that cannot be
# heard is told in its place and stops nobody.

# %%
soundfile.write("five.flac", play(np.random.default_rng(31), (3, 2))[0], RATE)
soundfile.write("too_short.wav", song[: RATE // 4], RATE)
batch = {
    "five.flac": "five.flac",
    "its bytes": Path("five.flac").read_bytes(),
    "an array": as_input(play(np.random.default_rng(32), (1, 1, 1))[0]),
    "too_short.wav": "too_short.wav",
    "not_there.wav": "not_there.wav",
}
for name, answer in zip(batch, published.predict(list(batch.values()), errors="record")):
    told = (
        f"error: {answer['error']['code']}" if "error" in answer else f"{answer['predicted_meter']}  {answer['meters']}"
    )
    print(f"{name:<16}{told}")

# %% [markdown]
# ### 18. What Not to Believe
#
# - It learned from rendered music. Bands that push and drag, singers, rooms and mixes are harder than loops.
# - It answers one of its meters whatever is played. Six, eight, ten and twelve are not among them, and two is not told
#   from four.
# - The same music may be written in three or in six, in seven or in fourteen: some errors are a matter of notation.
# - A slow meter with many pulses comes hardly twice in a window.
# - Free rhythm, speech and noise get an answer too. Here is noise:

# %%
noise = 0.1 * np.random.default_rng(SEED).standard_normal(int(SECONDS * RATE)).astype(np.float32)
answer = published.predict(as_input(noise))
show(("", "most probable", "meters", "uncertain"), ("noise", *words(answer)), other=22)
print("probabilities:", ", ".join(f"{label}: {share:.2f}" for label, share in answer["probabilities"].items()))

# %% [markdown]
# ## Publish
#
# ### 19. Save & Load
#
# `save_pretrained` writes a whole repository: weights, config with the meters, the code of the model, the extractor's
# settings. Whoever has the folder loads it as this notebook loaded the published model.

# %%
mine = tuned[tuned_name]
mine.save_pretrained("my-meters")
again = AutoModel.from_pretrained("my-meters", trust_remote_code=True).to(DEVICE).eval()
with torch.no_grad():
    assert torch.allclose(again.judge(heard["test"]).logits, mine.judge(heard["test"]).logits, atol=1e-5)
print("equal after reloading; the folder holds:")
print(*sorted(path.name for path in Path("my-meters").iterdir()), sep="\n")

eight = play(np.random.default_rng(41), (3, 3, 2))[0]
answer = again.predict(as_input(eight))
print(f"\nplayed: 8, said: {answer['predicted_meter']}, of {', '.join(answer['probabilities'])}")

# %% [markdown]
# The project's `upload_to_hub.py` makes a repository of the folder, asks that in a clean process, and pushes it. What
# was learned from the published weights keeps their licence: see their card.
#
# ```sh
# python upload_to_hub.py --repo you/my-meters --model my-meters
# ```
