"""musicnn: a convolutional network, shaped by what is known of music, that tags three seconds of audio.

After Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging", late-breaking
demo of ISMIR 2019, https://arxiv.org/abs/1909.06654. Layers and published weights are theirs (https://github.com/jordipons/musicnn):
copyright (c) 2019 Music Technology Group, Universitat Pompeu Fabra; code developed by Jordi Pons; ISC licence.

Conventions: a patch is (frames, mels) = (187, 96), three seconds at 16 kHz with a hop of 256 samples, and holds
log10(1 + 10000 * mel power). The pooled channels stand as all maxima, then all means (the original interleaves them).
"""

import torch
import torch.nn.functional as F
from torch import nn

PATCH_FRAMES = 187
NUM_MELS = 96
# As the Million Song Dataset network was trained, in its order and its spelling.
MSD_TAGS = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s", "alternative rock", "jazz",
    "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul", "indie rock", "Mellow", "electronica",
    "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic",
    "experimental", "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country", "easy listening", "sexy",
    "catchy", "funk", "electro", "heavy metal", "Progressive rock", "60s", "rnb", "indie pop", "sad", "House", "happy",
)  # fmt: skip

EPSILON = 1e-3  # TensorFlow 1's batch normalisation; torch's 1e-5 would amplify the channels that hardly vary
# Most filters of the published fronts have decayed to nothing: no weight over 1e-9; the others have one over 1e-7.
SILENT_WEIGHT = 1e-8
MID_FILTERS, MID_KERNEL_FRAMES, EMBEDDING_SIZE, DROPOUT = 64, 7, 200, 0.5  # as published
PATCHES_AT_ONCE = 8  # in the fronts, whose maps are the largest by far: bounds the memory, and fits the cache better


class Front(nn.Module):
    """One bank of filters over the spectrogram: convolution, ReLU, batch norm, then the loudest place on the mel axis.

    A tall kernel (few frames, many mels) hears timbre, at any pitch; a long one (many frames, one mel) hears rhythm.
    """

    def __init__(self, num_filters: int, kernel_frames: int, kernel_mels: int):
        super().__init__()
        # Only time is padded: the maximum over mels has no use for half-covered places. The odd frame goes last.
        self.padding = ((kernel_frames - 1) // 2, kernel_frames // 2)
        self.conv = nn.Conv2d(1, num_filters, (kernel_frames, kernel_mels))
        self.norm = nn.BatchNorm2d(num_filters, eps=EPSILON)

    def forward(self, spectrogram: torch.Tensor) -> torch.Tensor:
        """spectrogram (batch, 1, frames, mels) -> (batch, filters, frames)."""
        padded = F.pad(spectrogram, (0, 0, *self.padding))
        if self.training:
            return self.norm(F.relu(self.conv(padded))).amax(dim=3)
        return self.norm(self._loudest_place(padded)[..., None])[..., 0]

    def listening(self) -> torch.Tensor:
        """Which filters have weights, (filters,)."""
        silent = self.conv.weight.abs().amax(dim=(1, 2, 3)) <= SILENT_WEIGHT
        listening = ~silent  # and so is a filter whose weights are nan: a broken model must not look like a quiet one
        listening[0] = True  # a convolution needs at least one
        return listening

    def _loudest_place(self, padded: torch.Tensor) -> torch.Tensor:
        """What is left after the maximum, before the norm: (batch, filters, frames).

        ReLU and a fixed norm are monotonic, so the maximum (the minimum, where the norm's scale is negative) may come
        first, before the large maps are rectified and scaled. And a filter without weights answers its bias to any
        music: only the others are convolved, which for the published weights is a tenth of the work.
        """
        listening = self.listening()
        weight, bias = self.conv.weight[listening], self.conv.bias[listening]
        rising = self.norm.weight[listening, None] >= 0
        answers = []
        for patches in padded.split(PATCHES_AT_ONCE):
            lowest, highest = torch.aminmax(F.conv2d(patches, weight, bias), dim=3)
            answer = self.conv.bias.to(highest.dtype)[:, None].repeat(len(patches), 1, highest.shape[2])
            answer[:, listening] = torch.where(rising, highest, lowest)
            answers.append(answer)
        return F.relu(torch.cat(answers))


class MidEnd(nn.Module):
    """Three convolutions over time, two of them residual; what they and the fronts heard goes on side by side."""

    def __init__(self, num_channels: int):
        super().__init__()
        widths = (num_channels, MID_FILTERS, MID_FILTERS)
        self.convs = nn.ModuleList(nn.Conv1d(width, MID_FILTERS, MID_KERNEL_FRAMES, padding="same") for width in widths)
        self.norms = nn.ModuleList(nn.BatchNorm1d(MID_FILTERS, eps=EPSILON) for _ in widths)

    def forward(self, channels: torch.Tensor) -> torch.Tensor:
        """channels (batch, channels, frames) -> (batch, channels + 3 * filters, frames)."""
        heard, hidden = [channels], channels
        for depth, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            update = norm(F.relu(conv(hidden)))
            hidden = hidden + update if depth else update
            heard.append(hidden)
        return torch.cat(heard, dim=1)


class BackEnd(nn.Module):
    """The patch as a whole: maximum and mean over time, then one dense layer."""

    def __init__(self, num_channels: int):
        super().__init__()
        self.pooled_norm = nn.BatchNorm1d(2 * num_channels, eps=EPSILON)
        self.dense = nn.Linear(2 * num_channels, EMBEDDING_SIZE)
        self.dense_norm = nn.BatchNorm1d(EMBEDDING_SIZE, eps=EPSILON)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, channels: torch.Tensor) -> torch.Tensor:
        """channels (batch, channels, frames) -> (batch, embedding)."""
        pooled = torch.cat([channels.amax(dim=2), channels.mean(dim=2)], dim=1)
        return self.dense_norm(F.relu(self.dense(self.dropout(self.pooled_norm(pooled)))))


class MusicnnTagger(nn.Module):
    """Log-mel patches (batch, 187, 96) -> the probability of each tag, (batch, 50); 0.79 M parameters.

    `embed` stops at the layer before the tags, (batch, 200); `classifier(embedding).sigmoid()` goes on from there, for
    whoever wants both. The tags do not exclude each other: each has its own sigmoid.
    """

    def __init__(self):
        super().__init__()
        self.spectrogram_norm = nn.BatchNorm2d(1, eps=EPSILON)
        self.timbral_fronts = nn.ModuleList(Front(204, 7, mels) for mels in (38, 67))  # 0.4 and 0.7 of the mel axis
        self.temporal_fronts = nn.ModuleList(Front(51, frames, 1) for frames in (128, 64, 32))  # 2, 1 and 0.5 s
        self.mid_end = MidEnd(2 * 204 + 3 * 51)
        self.back_end = BackEnd(2 * 204 + 3 * 51 + 3 * MID_FILTERS)
        self.dropout = nn.Dropout(DROPOUT)
        self.classifier = nn.Linear(EMBEDDING_SIZE, len(MSD_TAGS))

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """patches (batch, 187, 96) -> tag probabilities (batch, tags)."""
        return self.classifier(self.dropout(self.embed(patches))).sigmoid()

    def embed(self, patches: torch.Tensor) -> torch.Tensor:
        """patches (batch, 187, 96) -> the penultimate layer (batch, 200). Raises ValueError on any other shape."""
        if patches.ndim != 3 or patches.shape[1:] != (PATCH_FRAMES, NUM_MELS):
            raise ValueError(
                f"musicnn takes log-mel patches (batch, {PATCH_FRAMES}, {NUM_MELS}), got shape {tuple(patches.shape)}; "
                "make them with a feature extractor of feature_type='mel_patches'"
            )
        spectrogram = self.spectrogram_norm(patches[:, None])
        fronts = [front(spectrogram) for front in (*self.timbral_fronts, *self.temporal_fronts)]
        return self.back_end(self.mid_end(torch.cat(fronts, dim=1)))
