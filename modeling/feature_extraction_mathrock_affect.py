"""What the two ears of Neural Math Rock hear of one recording: its waveform for a WavLM, its log-mel for a CLAP.

The log-mel is that of transformers' ClapFeatureExtractor with `truncation="rand_trunc"`, the form in which the CLAP
without fusion learned. Of a longer clip that one takes a place at random; here it is the first window, for both ears.
Shapes: clips (samples,) at 48 kHz; input_values (batch, samples at 16 kHz); input_features (batch, 1, frames, mels).
"""

from collections.abc import Sequence

import numpy as np
import soxr
import torch
from torch import Tensor
from transformers import PreTrainedConfig, Wav2Vec2FeatureExtractor
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor
from transformers.feature_extraction_utils import BatchFeature

from .audio import as_clips
from .containers import missing_bytes  # noqa: F401 (named for transformers: see music_model.py)
from .ffmpeg import open_with_ffmpeg  # noqa: F401
from .sndfile import open_with_sndfile  # noqa: F401
from .spectral import mel_spectrogram, power_to_db, spectrogram


class MathRockAffectFeatureExtractor(SequenceFeatureExtractor):
    """Arrays of sound -> `input_values` and `attention_mask` for the WavLM, `input_features` for the CLAP.

    Args:
        feature_size: mel bands.
        sampling_rate: in Hz, of what is given and of the log-mel; wavlm_sampling_rate: of the waveform for the WavLM.
        window_seconds: what is heard at once. For the CLAP a shorter clip is repeated as often as the window holds all
            of it, and then silence; for the WavLM it stays as it is.
        n_fft, hop_length: of the log-mel, in samples; mel_min_hz, mel_max_hz: its limits.
        do_normalize: whether the waveform for the WavLM is scaled to mean 0 and variance 1.
        pad_to_window: whether that waveform is filled up with silence to a whole window.
    """

    model_input_names = ["input_values", "attention_mask", "input_features"]  # noqa: RUF012 (as transformers has it)

    def __init__(
        self,
        feature_size: int = 64,
        sampling_rate: int = 48_000,
        wavlm_sampling_rate: int = 16_000,
        window_seconds: float = 10.0,
        n_fft: int = 1024,
        hop_length: int = 480,
        mel_min_hz: float = 50,
        mel_max_hz: float = 14_000,
        do_normalize: bool = False,
        pad_to_window: bool = False,
        padding_value: float = 0.0,
        **kwargs,
    ):
        super().__init__(feature_size=feature_size, sampling_rate=sampling_rate, padding_value=padding_value, **kwargs)
        self.wavlm_sampling_rate = wavlm_sampling_rate
        self.window_seconds = window_seconds
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.mel_min_hz = mel_min_hz
        self.mel_max_hz = mel_max_hz
        self.do_normalize = do_normalize
        self.pad_to_window = pad_to_window

    @classmethod
    def of_config(cls, config: PreTrainedConfig, pad_to_window: bool) -> "MathRockAffectFeatureExtractor":
        """The extractor that makes the inputs of a model with this config."""
        same = ("sampling_rate", "wavlm_sampling_rate", "window_seconds", "mel_min_hz", "mel_max_hz", "do_normalize")
        return cls(
            feature_size=config.clap_config.num_mel_bins,
            n_fft=config.mel_n_fft,
            hop_length=config.mel_hop_length,
            pad_to_window=pad_to_window,
            **{name: getattr(config, name) for name in same},
        )

    @torch.no_grad()
    def __call__(
        self,
        raw_audio: np.ndarray | Tensor | Sequence,
        sampling_rate: int | None = None,
        return_tensors: str | None = None,
        **kwargs,
    ) -> BatchFeature:
        """Both inputs of one clip (samples,), or of several: (batch, samples), or a list of clips of any lengths.

        Clips are mono floats of full scale 1 at the extractor's own rate, which `sampling_rate` must state; else it is
        a ValueError. Of a longer clip the first window is heard; the model's `predict` hears all of it. Other
        keywords, as pipelines pass them, change nothing.
        """
        if sampling_rate != self.sampling_rate:
            raise ValueError(
                f"sampling_rate is {sampling_rate}, but this extractor hears {self.sampling_rate} Hz: resample the "
                "audio first and state the rate, or let the model's predict do it"
            )
        clips = [clip.numpy()[: self.window_samples] for clip in as_clips(raw_audio)]
        inputs = self._waveforms(clips)
        inputs["input_features"] = self._log_mel(clips)
        return BatchFeature(inputs, tensor_type=return_tensors)

    @property
    def window_samples(self) -> int:
        return round(self.window_seconds * self.sampling_rate)

    def _waveforms(self, clips: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Clips at the WavLM's rate, (batch, samples), with silence behind the end, and where there is sound."""
        rate = self.wavlm_sampling_rate
        resampled = [soxr.resample(clip, self.sampling_rate, rate) for clip in clips]
        for index, (clip, samples) in enumerate(zip(clips, resampled, strict=True)):
            if not len(samples):
                raise ValueError(f"clip {index} has {len(clip)} samples, none at {rate} Hz: give a longer clip")
        extractor = Wav2Vec2FeatureExtractor(
            sampling_rate=rate, do_normalize=self.do_normalize, return_attention_mask=True
        )
        longest = max(map(len, resampled))
        if self.pad_to_window:
            longest = max(longest, round(self.window_seconds * rate))
        padded = extractor(resampled, sampling_rate=rate, padding="max_length", max_length=longest)
        return {name: np.stack(padded[name]) for name in ("input_values", "attention_mask")}

    def _log_mel(self, clips: list[np.ndarray]) -> np.ndarray:
        """Mel bands in decibels, no lower than -100, (batch, 1, frames, mels)."""
        filled = torch.zeros(len(clips), self.window_samples)
        for row, clip in zip(filled, clips, strict=True):
            repeated = np.tile(clip, self.window_samples // len(clip))
            row[: len(repeated)] = torch.from_numpy(repeated)
        power = spectrogram(filled, self.n_fft, self.hop_length, pad_mode="reflect")
        limits = {"fmin_hz": self.mel_min_hz, "fmax_hz": self.mel_max_hz}
        mel = mel_spectrogram(power, self.sampling_rate, self.feature_size, **limits)
        return power_to_db(mel, top_db=None)[:, None].numpy()


MathRockAffectFeatureExtractor.register_for_auto_class("AutoFeatureExtractor")
