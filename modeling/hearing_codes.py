"""What Mega-AudioFormer says of whole recordings: of sound, of `.ecdc` files and of codes, which need no sound.

Sound is cut into windows as everywhere and encoded window by window; files and codes are cut by the same rule, in
frames. From there on a window is its codes, (codebooks, frames), wherever they come from.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .audio import describe
from .codec import Codes, as_sources, padded
from .ecdc import open_ecdc
from .music_model import Hearing, MusicModel, unbatch
from .windows import Window, spans

HEAT_SECONDS = 1.0  # what `explain` leaves out at a time


class CodeHearingModel(MusicModel):
    """`predict` and `explain` of a model that hears codes; config: a MegaAudioFormerConfig.

    model: its base model, whose `tokens` makes codes of sound.
    """

    def predict(self, audio: Any = None, *, codes: Any = None, **options: Any) -> dict[str, Any] | list[dict[str, Any]]:
        """As `MusicModel.predict`; also hears codes, without any sound.

        `audio` may be an `.ecdc` file of the model's codec, in any form but an array. `codes` are whole numbers
        (codebooks, frames), such as `codes_of` makes, or (batch, codebooks, frames), EnCodec's own (1, batch,
        codebooks, frames) or a list, for which a list is answered; codebooks beyond the model's are left out. Durations
        are then by the codec's frame rate, and silence is not recognised.
        """
        if (audio is None) == (codes is None):
            raise ValueError("give either a recording or codes=, one of the two")
        return super().predict(audio if codes is None else as_sources(codes), **options)

    def codes_of(self, audio: Any, *, sampling_rate: int | None = None) -> np.ndarray:
        """Codes of one recording as `predict` hears it, whole numbers (codebooks, frames); sound or `.ecdc`.

        They are encoded window by window, and of a last one that overlaps only what is new. Raises AudioError.
        """
        parts = []
        with self._listening():
            for window in self._split(audio, sampling_rate):
                codes = self._codes(window.samples)
                parts.append(codes[:, codes.shape[1] - self._new_frames(window, codes) :].cpu().numpy())
        return np.concatenate(parts, axis=1)

    def _split(self, source: Any, sampling_rate: float | None) -> Iterator[Window]:
        if isinstance(source, Codes):
            source.check(self.config)
        frames = source if isinstance(source, Codes) else open_ecdc(source, self.config)
        if frames is None:
            yield from super()._split(source, sampling_rate)
            return
        rate, books = self.config.frame_rate, self.config.num_codebooks
        for start, stop, new in spans(frames.num_frames, round(self.config.window_seconds * rate)):
            window = Window(frames.read(start, stop)[:books].astype(np.int64), start / rate, stop / rate, new / rate)
            self._check_long_enough(window, source)
            yield window

    def _read(self, heard: list[np.ndarray]) -> list[dict[str, np.ndarray]]:
        """Windows of sound (samples,) or codes (codebooks, frames); the first are encoded one by one."""
        codes, mask = padded([self._codes(window) for window in heard])
        return unbatch(self.readings(self(codes, mask)))

    def _codes(self, window: np.ndarray) -> Tensor:
        """Codes of a window of either kind, on the model's device."""
        heard = torch.from_numpy(window).to(self.device)
        return heard if window.ndim == 2 else self.model.tokens(None, None, heard[None])[0][0]

    # What the answer rests on

    def explain(self, audio: Any, *, sampling_rate: int | None = None) -> dict[str, Any]:
        """The answer with what it rests on: `heat`, for each second by how much the leading label's logit falls when
        that second is not heard. Each comes once, by the first window that holds it. One recording, sound or `.ecdc`;
        raises AudioError.
        """
        hearing, heat = Hearing(describe(audio)), []
        with self._listening():
            for window in self._split(audio, sampling_rate):
                codes = self._codes(window.samples)[None]
                output = self(codes)
                hearing.add(window, unbatch(self.readings(output))[0])
                heat += self._heat(window, codes, output.logits[0])
        return {**self._answer(hearing, timeline=False), "heat": heat}

    def _heat(self, window: Window, codes: Tensor, logits: Tensor) -> list[dict[str, Any]]:
        leader, frames, new = int(logits.argmax()), codes.shape[-1], self._new_frames(window, codes)
        rate, start = self.config.frame_rate, window.end_seconds - window.new_seconds
        second = round(HEAT_SECONDS * rate)
        left_out = (torch.arange(frames, device=codes.device) - (frames - new)).div(second, rounding_mode="floor")
        mask = left_out != torch.arange(-(-new // second), device=codes.device)[:, None]
        falls = logits[leader] - self(codes.expand(len(mask), -1, -1), mask).logits[:, leader]
        return [
            {
                "start_seconds": round(start + part * second / rate, 3),
                "end_seconds": round(min(start + (part + 1) * second / rate, window.end_seconds), 3),
                "label": self.config.labels[leader],
                "heat": fall,
            }
            for part, fall in enumerate(falls.tolist())
        ]

    def _new_frames(self, window: Window, codes: Tensor) -> int:
        """How many of a window's last frames no earlier window held."""
        frames = math.ceil(round(window.new_seconds * self.config.frame_rate, 6))  # but for a rounding error
        return min(frames, codes.shape[-1])
