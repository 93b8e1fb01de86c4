"""What the genre models hear of a recording: 59 statistics, or the same per frame, or musicnn's log-mel patches.

The 59 statistics are those that `librosa` 0.11 gives with its defaults, so that rows of the published GTZAN tables and
rows computed from audio can train one model.
"""

import math
from collections.abc import Sequence
from contextlib import ContextDecorator
from threading import Lock

import numpy as np
import torch
from torch import Tensor
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor
from transformers.feature_extraction_utils import BatchFeature
from transformers.utils import logging

from .audio import as_clips, read_audio
from .containers import missing_bytes  # noqa: F401 (named for transformers: see music_model.py)
from .ffmpeg import open_with_ffmpeg  # noqa: F401
from .harmonic import harmonic_share
from .level import at_level, gain_to_level
from .sndfile import open_with_sndfile  # noqa: F401
from .spectral import (
    chroma,
    log_mel_musicnn,
    mel_spectrogram,
    mfcc,
    onset_strength,
    power_to_db,
    rms,
    spectral_moments,
    spectral_rolloff,
    spectrogram,
    tempo,
    zero_crossing_rate,
)

logger = logging.get_logger(__name__)

NUM_MFCC, NUM_MELS = 20, 128
PITCH_CLASSES = ("c", "c#", "d", "d#", "e", "f", "f#", "g", "g#", "a", "a#", "b")
SPECTRAL_SHAPE = ("spectral_centroid", "spectral_bandwidth", "spectral_rolloff", "zero_crossing_rate", "rms")
FEATURE_NAMES = (
    *(f"mfcc_{i:02d}_mean" for i in range(1, NUM_MFCC + 1)),
    *(f"mfcc_{i:02d}_std" for i in range(1, NUM_MFCC + 1)),
    *(f"chroma_{name}_mean" for name in PITCH_CLASSES),
    *SPECTRAL_SHAPE,
    "tempo",
    "harmonic_ratio",
)
FEATURE_GROUPS = {
    "mfcc_mean": slice(0, 20),
    "mfcc_std": slice(20, 40),
    "chroma": slice(40, 52),
    **{name.removeprefix("spectral_"): slice(i, i + 1) for i, name in enumerate(FEATURE_NAMES) if i >= 52},
}
FRAME_FEATURE_NAMES = (
    *(f"mfcc_{i:02d}" for i in range(1, NUM_MFCC + 1)),
    *(f"chroma_{name}" for name in PITCH_CLASSES),
    *SPECTRAL_SHAPE,
    "onset_strength",
)
DEFAULTS = {
    "statistics": {"sampling_rate": 22050, "n_fft": 2048, "hop_length": 512, "feature_size": len(FEATURE_NAMES)},
    "frames": {"sampling_rate": 22050, "n_fft": 2048, "hop_length": 512, "feature_size": len(FRAME_FEATURE_NAMES)},
    "mel_patches": {"sampling_rate": 16000, "n_fft": 512, "hop_length": 256, "feature_size": 96},
}
SAMPLES_AT_ONCE = 2**22  # clips of equal length share a transform up to this many samples: bounded memory


class _OneThread(ContextDecorator):
    """Hundreds of small steps: where threads wait for each other at each, a busy machine takes ten times as long.

    The setting is the process's, so the first to enter keeps the number of threads and the last to leave restores it.
    """

    lock, inside, threads = Lock(), 0, 1

    def __enter__(self) -> None:
        with _OneThread.lock:
            if not _OneThread.inside:
                _OneThread.threads = torch.get_num_threads()
                torch.set_num_threads(1)
            _OneThread.inside += 1

    def __exit__(self, *error) -> None:
        with _OneThread.lock:
            _OneThread.inside -= 1
            if not _OneThread.inside:
                torch.set_num_threads(_OneThread.threads)


@_OneThread()
@torch.inference_mode()
def extract_features(waveform: np.ndarray | Tensor, sampling_rate: int) -> np.ndarray:
    """The 59 features of one recording, (59,) float32 in the order of FEATURE_NAMES.

    waveform: (samples,) or (channels, samples), at any rate; it is averaged to mono and resampled to 22,050 Hz.
    Raises AudioError (a ValueError) where it is empty or not finite.
    """
    settings = DEFAULTS["statistics"]
    samples = read_audio(waveform, settings["sampling_rate"], source_sampling_rate=sampling_rate)
    return feature_statistics(torch.from_numpy(samples)[None])[0].numpy()


def feature_statistics(samples: Tensor, sampling_rate: int = 22050, n_fft: int = 2048, hop_length: int = 512) -> Tensor:
    """The 59 features of (batch, samples): (batch, 59) in the order of FEATURE_NAMES."""
    power, mel_db, frames = _analyse(samples, sampling_rate, n_fft, hop_length)
    means, deviations = frames.double().mean(1), frames.double().std(1, correction=0)
    # The median over bands, as in librosa.beat.beat_track: GTZAN's tables hold that tempo, not the one of
    # librosa.feature.tempo, which takes the mean (they differ on a fifth of the clips).
    onsets = onset_strength(mel_db, n_fft, hop_length, aggregate="median")
    rhythm = torch.stack((tempo(onsets, sampling_rate, hop_length), harmonic_share(power)), dim=1)
    return torch.cat((means[:, :NUM_MFCC], deviations[:, :NUM_MFCC], means[:, NUM_MFCC:-1], rhythm), dim=1).float()


def statistics_at_level(features: Tensor, level_db: float | None) -> Tensor:
    """Rows of the 59 features (..., 59) as they would be of the same sound with a mean `rms` of that level.

    A gain adds as many decibels to every mel band, which the first coefficient sums up; no other feature heeds it.
    """
    if level_db is None:
        return features
    rms = FEATURE_NAMES.index("rms")
    gain = gain_to_level(features[..., rms], level_db)
    moved = features.clone()
    moved[..., 0] += 20 * gain.log10() * math.sqrt(NUM_MELS)  # the cosines of the transform are of length 1
    # set, not multiplied: a z-score would make much of how the last digit is rounded
    moved[..., rms] = torch.where(gain == 1, features[..., rms], 10 ** (level_db / 20))
    return moved


def frame_features(samples: Tensor, sampling_rate: int = 22050, n_fft: int = 2048, hop_length: int = 512) -> Tensor:
    """The features of each frame of (batch, samples): (batch, frames, 38) in the order of FRAME_FEATURE_NAMES."""
    return _analyse(samples, sampling_rate, n_fft, hop_length)[2]


def _analyse(samples: Tensor, sampling_rate: int, n_fft: int, hop_length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Power spectrogram (batch, frames, bins), its 128 mel bands in decibels, and the frame features."""
    power = spectrogram(samples, n_fft, hop_length)
    mel_db = power_to_db(mel_spectrogram(power, sampling_rate, NUM_MELS))
    shapes = []
    for block in power.split(1024, dim=1):  # the float64 copies of a long recording's spectrogram would not be small
        magnitude = block.sqrt()
        moments = spectral_moments(magnitude, sampling_rate)
        shapes.append(torch.stack((*moments, spectral_rolloff(magnitude, sampling_rate)), dim=-1))
    others = (
        zero_crossing_rate(samples, n_fft, hop_length),
        rms(samples, n_fft, hop_length),
        onset_strength(mel_db, n_fft, hop_length),
    )
    columns = (mfcc(mel_db, NUM_MFCC), chroma(power, sampling_rate), torch.cat(shapes, 1), torch.stack(others, -1))
    return power, mel_db, torch.cat(columns, dim=-1)


def mel_patches(mel: Tensor, patch_frames: int = 187, patch_hop_frames: int = 61) -> Tensor:
    """Overlapping patches of (batch, frames, mels): (batch, patches, patch_frames, mels).

    musicnn's 3 s every 1 s, as it counts them: whole frames that fit, so 61 of 16 ms. Frames after the last full patch
    are left out; a clip shorter than one patch is repeated until it fills one.
    """
    frames = mel.shape[1]
    if frames < patch_frames:
        mel = mel[:, torch.arange(patch_frames, device=mel.device) % frames]
    return mel.unfold(1, patch_frames, patch_hop_frames).transpose(2, 3)


class GenreMoeFeatureExtractor(SequenceFeatureExtractor):
    """Arrays of sound -> `input_values`, and `attention_mask` where clips of different length have different size.

    feature_type "statistics": input_values (batch, 59), raw (the model normalises).
    feature_type "frames": input_values (batch, frames, 38), attention_mask (batch, frames).
    feature_type "mel_patches": input_values (batch, patches, 187, 96), attention_mask (batch, patches); 3 s every 1 s.
    sampling_rate (Hz), n_fft and hop_length (samples) default to what the features are defined at: 22,050, 2048, 512,
    and for mel_patches 16,000, 512, 256.
    level_db: root mean square (dB of full scale) that each clip is brought to, but for "statistics", which the model
    moves to a level itself, as it does rows that were made elsewhere; None leaves it.
    """

    model_input_names = ["input_values"]  # noqa: RUF012 (as transformers declares it)

    def __init__(
        self,
        feature_type: str = "statistics",
        sampling_rate: int | None = None,
        n_fft: int | None = None,
        hop_length: int | None = None,
        feature_size: int | None = None,
        patch_frames: int = 187,
        patch_hop_frames: int = 61,
        level_db: float | None = None,
        padding_value: float = 0.0,
        **kwargs,
    ):
        if feature_type not in DEFAULTS:
            raise ValueError(f"feature_type is {feature_type!r}, but must be one of {', '.join(DEFAULTS)}")
        defaults = DEFAULTS[feature_type]
        super().__init__(
            feature_size=defaults["feature_size"] if feature_size is None else feature_size,
            sampling_rate=defaults["sampling_rate"] if sampling_rate is None else sampling_rate,
            padding_value=padding_value,
            **kwargs,
        )
        self.feature_type = feature_type
        self.n_fft = defaults["n_fft"] if n_fft is None else n_fft
        self.hop_length = defaults["hop_length"] if hop_length is None else hop_length
        self.patch_frames = patch_frames
        self.patch_hop_frames = patch_hop_frames
        self.level_db = level_db

    @_OneThread()
    @torch.inference_mode()
    def __call__(
        self,
        raw_audio: np.ndarray | Tensor | Sequence,
        sampling_rate: int | None = None,
        return_tensors: str | None = None,
        **kwargs,
    ) -> BatchFeature:
        """Features of one clip (samples,), or of several: (batch, samples), or a list of clips of any lengths.

        Clips are mono floats of full scale 1 at the extractor's own rate; `sampling_rate` says so, and any other is a
        ValueError (`predict` and `extract_features` resample). Other keywords, as pipelines pass them, change nothing.
        """
        if sampling_rate is None:
            logger.warning_once(f"No sampling_rate was given: {self.sampling_rate} Hz is taken for granted.")
        elif sampling_rate != self.sampling_rate:
            raise ValueError(
                f"sampling_rate is {sampling_rate} Hz, but this extractor hears {self.sampling_rate} Hz: "
                "resample the audio first"
            )
        clips = as_clips(raw_audio)
        values = self._hear_all(clips)
        if self.feature_type == "statistics":
            return BatchFeature({"input_values": np.stack(values)}, tensor_type=return_tensors)
        mask = np.zeros((len(values), max(map(len, values))), dtype=np.int32)
        padded = np.full((*mask.shape, *values[0].shape[1:]), self.padding_value, dtype=np.float32)
        for row, value in enumerate(values):
            padded[row, : len(value)], mask[row, : len(value)] = value, 1
        return BatchFeature({"input_values": padded, "attention_mask": mask}, tensor_type=return_tensors)

    def _hear_all(self, clips: list[Tensor]) -> list[np.ndarray]:
        """The features of each clip, in order; clips of one length share their transforms."""
        values: dict[int, np.ndarray] = {}
        for length in sorted({len(clip) for clip in clips}):
            same = [index for index, clip in enumerate(clips) if len(clip) == length]
            at_once = max(1, SAMPLES_AT_ONCE // length)
            for start in range(0, len(same), at_once):
                some = same[start : start + at_once]
                heard = self._hear(torch.stack([clips[index] for index in some]))
                values.update(zip(some, heard.cpu().numpy(), strict=True))
        return [values[index] for index in range(len(clips))]

    def _hear(self, samples: Tensor) -> Tensor:
        settings = (self.sampling_rate, self.n_fft, self.hop_length)
        if self.feature_type == "statistics":
            return feature_statistics(samples, *settings)
        samples = at_level(samples, None, self.level_db)
        if self.feature_type == "frames":
            return frame_features(samples, *settings)
        return mel_patches(log_mel_musicnn(samples, *settings), self.patch_frames, self.patch_hop_frames)


GenreMoeFeatureExtractor.register_for_auto_class("AutoFeatureExtractor")
