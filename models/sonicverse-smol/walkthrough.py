# %% [markdown]
# # Captions that agree with what they hear
#
# SonicVerse listens with a frozen encoder, lets small heads say what is the case (key, voices, instruments, mood,
# style), and tells a language model both. This notebook asks the published model about chords made here, looks at
# what the language model is told, trains a key head from nothing, and checks captions against facts.
#
# It claims nothing in advance: every figure was computed by the run you see. It takes a minute or two on a CPU.

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
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import soundfile
import torch
from huggingface_hub import snapshot_download
from IPython.display import Audio, Markdown, display
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

MODEL = os.environ.get("LINERNOTES_MODEL", "OWNER/NAME")  # a folder, or an id on the Hub
SPEAKER = os.environ.get("LANGUAGE_MODEL", "")  # a folder or Hub id, where the model brings none
SHORT = os.environ.get("WALKTHROUGH_SHORT") == "1"  # few clips, few steps: to see that everything runs
SEED, SECONDS = 0, 4.0
CLIPS = {"training": 4, "test": 2} if SHORT else {"training": 24, "test": 10}  # of each key
STEPS = 20 if SHORT else 150
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # told apart by the colour-blind

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()
plt.rcParams.update({"figure.dpi": 80, "savefig.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})


def show(*rows, first=26, other=16):
    """Prints a table: a word, then what is known of it."""
    for name, *cells in rows:
        print(f"{name:<{first}}" + "".join(f"{cell:>{other}}" for cell in cells))


def picture(name):
    plt.savefig(name)
    plt.show()


published = AutoModel.from_pretrained(MODEL, trust_remote_code=True).eval()
config = published.config
if SPEAKER and published.language_model is None:
    published.add_language_model(SPEAKER)
RATE = config.sampling_rate
print(f"{config.model_name}: heads for {', '.join(name.split('_')[0] for name in config.tasks)}")
speaks = published.language_model is not None
print("captions:", "yes" if speaks else f"none here; set LANGUAGE_MODEL, for example to {config.text_name}")

# %% [markdown]
# ### 2. Chords Whose Key Is Known
#
# Four chords of a key, struck twice each, with a bass below and an octave, a tempo and a sound drawn for each clip.

# %%
TONICS = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
DEGREES = {"major": ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7)), "minor": ((0, 3, 7), (5, 8, 12), (7, 10, 14), (0, 3, 7))}


def tone(pitch, seconds, rng_shape):
    t = np.arange(int(seconds * RATE)) / RATE
    frequency = 440.0 * 2 ** ((pitch - 69) / 12)
    partials = [(k, k**-rng_shape) for k in range(1, 9) if k * frequency < RATE / 2]
    return sum(gain * np.sin(2 * np.pi * k * frequency * t) for k, gain in partials) * np.exp(-t / 0.6)


def play(key, rng, seconds=SECONDS):
    """Chords in a key, (samples,) float32."""
    tonic, mode = key.split()
    root, shape = 48 + TONICS.index(tonic) + 12 * int(rng.integers(2)), rng.uniform(0.8, 2.0)
    stroke = seconds / 8
    samples = np.zeros(int(seconds * RATE))
    for number in range(8):
        chord = DEGREES[mode][number // 2]
        for pitch in (root + chord[0] - 12, *(root + step for step in chord)):
            sound = tone(pitch, min(1.5 * stroke, seconds - number * stroke), shape)
            start = int(number * stroke * RATE)
            room = samples[start : start + len(sound)]
            room += sound[: len(room)]
    samples = samples / np.abs(samples).max() * rng.uniform(0.2, 0.6)
    return (samples + 0.001 * rng.standard_normal(len(samples))).astype(np.float32)


KEYS = ["C major", "A minor", "F# major", "Eb minor"]
examples = {key: play(key, np.random.default_rng(1)) for key in KEYS}
for key, samples in examples.items():
    name = f"{key.replace(' ', '-').replace('#', 'sharp')}.mp3"
    soundfile.write(name, samples, RATE)
    display(Markdown(f"**{key}**"), Audio(filename=name))

# %% [markdown]
# ### 3. Ask
#
# `predict` answers with facts, and with a caption where there is a language model. Whatever it says of these chords,
# no head ever met their sound.

# %%
answers = published.predict([{"array": samples, "sampling_rate": RATE} for samples in examples.values()])
show(("played", "key heard", "sure", "vocals"))
for key, answer in zip(examples, answers):
    heard, voice = answer["key"], answer["vocals"]
    show((key, heard["label"], f"{heard['confidence']:.2f}", voice["label"]))
    if answer["caption"]:
        print("  ", answer["caption"])

# %% [markdown]
# ## Features
#
# ### 4. All Hidden States
#
# The projector hears every layer of the encoder, frame by frame. Each head and the content weigh the layers for
# themselves; here is what training made of these weights.

# %%
with torch.inference_mode():
    inputs = published.feature_extractor(examples["C major"], sampling_rate=RATE, return_tensors="pt")
    states, mask = published.encode(inputs["input_values"])
print("hidden states:", tuple(states.shape), "(batch, layers, frames, size)")
weights = {name: part.detach().numpy() for name, part in published.projector.layer_weights().items()}
figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
axis.imshow(np.stack(list(weights.values())), cmap="Blues", vmin=0, aspect="auto")
axis.set_yticks(range(len(weights)), [name.replace("_detection", "").replace("lmm_projector", "content") for name in weights])
axis.set(xlabel="layer of the encoder", title="how much each layer counts")
picture("layer_weights.png")

# %% [markdown]
# ## Architecture
#
# ### 5. What the Language Model Is Told
#
# A place in the chat marked `<sound>` becomes tokens: some of the content, some for each head, made of what that head
# says. So a caption can rest on facts, and a wrong fact can be seen.

# %%


def parameters(module):
    return f"{sum(p.numel() for p in module.parameters()):,}"


show(("part", "parameters"), ("encoder (frozen)", parameters(published.audio_encoder)))
for name, part in published.projector.named_children():
    show((name, parameters(part)))
with torch.inference_mode():
    output = published(inputs["input_values"])
print(f"{config.audio_tokens} tokens of width {output.audio_tokens.shape[2]}: {config.content_tokens} of the content,")
print(f"{config.task_tokens} for each of {len(config.tasks)} heads")

# %% [markdown]
# ## Train small
#
# ### 6. A Key Head From Nothing
#
# The encoder listens to each clip once. Then a new head learns four keys from what was heard, which takes seconds:
# this is how the published heads began, too.

# %%
family = sys.modules[type(published).__module__]
torch.manual_seed(SEED)
fields = {**config.to_dict(), "model_name": "four-keys", "has_language_model": False}
fields["tasks"] = {"key_detection": {"classes": KEYS}}
small = family.SonicVerseForConditionalGeneration(type(config).from_dict(fields))
small.audio_encoder.load_state_dict(published.audio_encoder.state_dict())


@torch.inference_mode()
def heard(clips):
    """Every tenth frame of the hidden states of clips, (clips, layers, frames, size)."""
    found = small.feature_extractor(clips, sampling_rate=RATE, return_tensors="pt")["input_values"]
    return torch.cat([small.encode(one[None])[0][:, :, ::10] for one in found])


rng = np.random.default_rng(SEED)
data = {}
for part, count in CLIPS.items():
    labels = torch.arange(len(KEYS)).repeat_interleave(count)
    data[part] = heard([play(KEYS[label], rng) for label in labels]).clone(), labels
learning = [p for name, p in small.projector.named_parameters() if name.startswith(("backbone", "key_detection."))]
optimizer = torch.optim.AdamW(learning, lr=2e-3)
losses = []
small.train()
for _step in range(STEPS):
    states, labels = data["training"]
    rows = torch.randint(len(labels), (16,))
    loss = small(audio_hidden_states=states[rows], task_labels={"key_detection": labels[rows]}).loss / 0.1
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
small.eval()
figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
axis.plot(losses, color=COLORS[0])
axis.set(xlabel="step", title="binary cross-entropy of the key")
picture("learning.png")

# %% [markdown]
# ## Evaluate
#
# ### 7. On Clips That It Never Met

# %%
states, labels = data["test"]
with torch.inference_mode():
    said = small(audio_hidden_states=states).task_logits["key_detection"].argmax(1)
right = int((said == labels).sum())
show(("", "keys right", "of", "by guessing"), ("new clips", f"{right}", f"{len(labels)}", f"{len(labels) / len(KEYS):g}"))

# %% [markdown]
# ### 8. The Published Model
#
# How it does on recordings that were held out stands in its repository: the figures below, with their intervals.

# %%
folder = Path(MODEL if Path(MODEL).is_dir() else snapshot_download(MODEL, allow_patterns="metrics.json"))


def spread(figure):
    ends = "-" if figure["low"] is None else f"{figure['low']:.3f} to {figure['high']:.3f}"
    return f"{figure['value']:.3f}", ends, f"{figure.get('majority_baseline', float('nan')):.3f}"


if (folder / "metrics.json").is_file():
    for name, result in json.loads((folder / "metrics.json").read_text())["results"].items():
        show((f"published, {name}", "value", "95 %", "always the same"), first=40, other=18)
        chosen = {"key": "weighted_score", "instruments": "map", "vocals": "accuracy", "captions": "fact_precision"}
        for head, figure in chosen.items():
            if figure in result.get(head, {}):
                show((f"{head}, {figure.replace('_', ' ')}", *spread(result[head][figure])), first=40, other=18)

# %% [markdown]
# ## Explain
#
# ### 9. Is It True?
#
# The model's own parser reads statements from sentences; grounding compares them with what heads are sure of. Here it
# is given facts by hand, so that you see what it would withhold.

# %%
parser = sys.modules[type(published).__module__.rsplit(".", 1)[0] + ".caption_facts"]
grounding = sys.modules[type(published).__module__.rsplit(".", 1)[0] + ".grounding"]
CAPTION = "A slow jazz piece in A minor with a piano. There are drums. A woman sings."
for statement in parser.statements(CAPTION):
    print(f"{statement.kind:<12}{statement.value}")
sure = grounding.Known(
    {
        "key": {"A minor": 0.9, "C major": 0.1},
        "vocals": {"instrumental": 0.96, "female": 0.03, "male": 0.01},
        "instrument": {"piano": 0.95, "drums": 0.01},
    }
)
kept, withheld = grounding.agreeing(CAPTION, sure)
print("kept:    ", kept or "(nothing)")
print("withheld:", *withheld)

# %% [markdown]
# ## Predict your own
#
# ### 10. A File, a List, a Long Recording
#
# On Colab you are asked for a file; elsewhere set the environment variable `SONG` to a path. With neither, the four
# keys are written to a file, one after another. A bad file in a list is recorded in its place.

# %%
SONG = os.environ.get("SONG", "")
if "google.colab" in sys.modules and not SONG:
    from google.colab import files

    SONG = next(iter(files.upload()), "")
if not SONG:
    SONG = "four-keys.wav"
    soundfile.write(SONG, np.concatenate(list(examples.values())), RATE)
answer = published.predict(SONG, long=True)
print(f"{Path(SONG).name}: {answer['key']['label']}, {answer['vocals']['label']}, heard {answer['heard_seconds']:g} s")
print(answer["story"])
Path("broken.wav").write_bytes(b"RIFF")
both = published.predict([SONG, "broken.wav"], errors="record")
print(f"broken.wav  error: {both[1]['error']['code']}")

# %% [markdown]
# ## Publish
#
# ### 11. Save & Load
#
# `save_pretrained` writes a whole repository: encoder, projector, config, code. Whoever has the folder loads it as this
# notebook loaded the published model.

# %%
small.save_pretrained("four-keys")
again = AutoModel.from_pretrained("four-keys", trust_remote_code=True).eval()
with torch.inference_mode():
    before, after = (each(audio_hidden_states=states).task_logits["key_detection"] for each in (small, again))
assert torch.equal(before, after)
print("equal after reloading; the folder holds:")
print(*sorted(path.name for path in Path("four-keys").iterdir()), sep="\n")

# %% [markdown]
# The project's `upload_to_hub.py` makes a page of it, asks it in a clean process, and pushes it:
#
# ```sh
# python upload_to_hub.py --repo you/four-keys --model four-keys
# ```
