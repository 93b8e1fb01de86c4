"""Pictures inside a web page: images, and SVG whose letters have the colour of the page's text, light or dark."""

import re
from base64 import b64encode
from io import BytesIO, StringIO

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.image import imsave

from linernotes.decoding import Decoded
from linernotes.modeling.audio import stream_audio
from linernotes.modeling.spectral import hz_to_mel, mel_spectrogram, power_to_db, spectrogram
from linernotes.rendering import printable
from linernotes.report.pictures import PALETTE, SPECTROGRAM_DECIBELS, SPECTROGRAM_TICKS_HZ

RATE_HZ = 22_050
COLUMNS = 900  # of a spectrogram, however long the recording is
INK = "#123456"  # stands for the colour of the text until the picture is in its page
# letters stay letters, in the page's own font; ids are the same in every run
WEB = {"svg.fonttype": "none", "svg.hashsalt": "linernotes", "text.color": INK, "axes.labelcolor": INK}
WEB |= {"xtick.color": INK, "ytick.color": INK, "axes.edgecolor": INK, "font.size": 11, "text.parse_math": False}
drawn_for_the_web = rc_context(WEB)


def spectrogram_address(sound: Decoded) -> str:
    """A mel spectrogram in decibels, of all of a recording, as the address of an image without edge or axes; memory
    does not grow with the recording's length."""
    decibels = power_to_db(torch.from_numpy(_columns(sound))[None], top_db=SPECTROGRAM_DECIBELS)[0].numpy().T
    image = BytesIO()
    imsave(image, decibels, cmap="magma", origin="lower", format="png")
    return f"data:image/png;base64,{b64encode(image.getvalue()).decode()}"


def spectrogram_ticks() -> list[tuple[float, str]]:
    """Where in its height a frequency lies, in percent from below, and what to write there."""
    ticks = [hz for hz in SPECTROGRAM_TICKS_HZ if 512 <= hz < RATE_HZ / 2]  # lower ones run into each other
    return [(100 * float(hz_to_mel(np.array(hz)) / hz_to_mel(RATE_HZ / 2)), f"{hz} Hz") for hz in ticks]


def _columns(sound: Decoded) -> np.ndarray:
    """Mean mel power (columns, bands) of as many equal stretches of the recording, block by block."""
    sums, counts = np.zeros((0, 0)), np.zeros(0)
    samples = max(sound.duration_seconds * RATE_HZ, 1.0)
    position = 0
    for block in stream_audio(sound.source, RATE_HZ):
        power = spectrogram(torch.from_numpy(block)[None], dtype=torch.float32)
        frames = mel_spectrogram(power, RATE_HZ)[0].numpy()
        if not len(counts):
            columns = min(COLUMNS, max(1, int(samples / len(block) * len(frames))))
            sums, counts = np.zeros((columns, frames.shape[1])), np.zeros(columns)
        middles = position + (np.arange(len(frames)) + 0.5) * len(block) / len(frames)
        places = np.minimum((middles / samples * len(counts)).astype(int), len(counts) - 1)
        np.add.at(sums, places, frames)
        np.add.at(counts, places, 1)
        position += len(block)
    heard = counts > 0  # a very short recording has fewer frames than columns
    return (sums[heard] / counts[heard, None]).astype(np.float32)


@drawn_for_the_web
def gate_radar(gates: dict[str, float]) -> str:
    """The weight of every expert of a mixture as a shape."""
    names, weights = [printable(name) for name in gates], np.array(list(gates.values()))
    figure = Figure(figsize=(4, 3.4), layout="constrained")
    axes = figure.subplots(subplot_kw={"projection": "polar"})
    angles = np.linspace(0, 2 * np.pi, len(names), endpoint=False)
    axes.plot(np.append(angles, angles[0]), np.append(weights, weights[0]), "-", color=PALETTE[5])
    axes.fill(angles, weights, color=PALETTE[5], alpha=0.35)
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    axes.set_xticks(angles, names)
    for text, angle in zip(axes.get_xticklabels(), angles, strict=True):
        text.set_ha(("right", "center", "left")[int(np.sign(np.sin(angle).round(6))) + 1])
    reach = max(0.2, np.ceil(weights.max() * 5) / 5)
    axes.set_yticks([reach / 2, reach], [f"{reach / 2:.1f}", f"{reach:.1f}"], fontsize=8)
    axes.set_rlabel_position(180 / len(names))
    axes.set_ylim(0, reach)
    axes.grid(color="#888888", alpha=0.4)
    axes.spines["polar"].set_color("#888888")
    axes.set_facecolor("none")
    return as_svg(figure, "the weights of the experts")


def as_svg(figure: Figure, what: str) -> str:
    """The `<svg>` element of a figure, which scales with the page; `what` is said to those who cannot see it."""
    text = StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', rf'<svg viewBox="\1" role="img" aria-label="{what}">', svg, count=1
    )
    return svg.replace("font: ", "--font: ").replace("xlink:href", "href")
