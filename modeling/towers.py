"""Pretrained towers for Neural Math Rock, each whole, with what their preprocessing says: none is taken half-loaded."""

from os import PathLike
from typing import Any

from transformers import ClapModel, PreTrainedModel, WavLMModel, XLMRobertaModel

from .pretrained import load_backbone, name_of_backbone, preprocessing

CLAP_FIELDS = {  # what its preprocessor_config.json says, and our name for it
    "sampling_rate": "sampling_rate", "max_length_s": "window_seconds", "fft_window_size": "mel_n_fft",
    "hop_length": "mel_hop_length", "frequency_min": "mel_min_hz", "frequency_max": "mel_max_hz",
}  # fmt: skip


def pretrained_towers(
    wavlm: str | PathLike, clap: str | PathLike, text: str | PathLike | None
) -> tuple[dict[str, PreTrainedModel], dict[str, Any]]:
    """Models by the name of the part that takes their weights, and the fields of MathRockAffectConfig that they set.

    Of the CLAP, a whole one, it is the audio tower; of the XLM-RoBERTa (None: none) what a checkpoint holds for other
    tasks is left. Raises ValueError where weights that are taken are not exactly those of their config.
    """
    towers = {
        "wavlm": load_backbone(WavLMModel, wavlm),
        "clap": load_backbone(ClapModel, clap, taken=r"audio_model\.").audio_model,
    }
    fields = {"wavlm_name": name_of_backbone(wavlm), "clap_name": name_of_backbone(clap)}
    fields |= {f"{part}_config": tower.config for part, tower in towers.items()} | heard_by(wavlm, clap)
    if text is not None:
        taken = r"(roberta\.)?(embeddings|encoder)\."
        reader = load_backbone(XLMRobertaModel, text, taken, add_pooling_layer=False)
        towers["lyrics.xlm_roberta"] = reader
        fields |= {"text_name": name_of_backbone(text), "text_config": reader.config}
    return towers, fields


def heard_by(wavlm: str | PathLike | None, clap: str | PathLike | None) -> dict[str, Any]:
    """The fields of our config that the towers' preprocessor_config.json set; none where they have no such file."""
    written = {} if clap is None else preprocessing(clap, tuple(CLAP_FIELDS))
    fields = {CLAP_FIELDS[name]: value for name, value in written.items()}
    if "window_seconds" in fields:
        fields["window_seconds"] = float(fields["window_seconds"])
    speech = {} if wavlm is None else preprocessing(wavlm)
    if "sampling_rate" in speech:
        fields["wavlm_sampling_rate"] = speech.pop("sampling_rate")
    return fields | speech
