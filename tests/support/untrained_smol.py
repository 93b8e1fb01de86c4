"""A sonicverse-smol whose projector nobody trained, for trying and timing what does not depend on what it says.

python tests/support/untrained_smol.py FOLDER    over models/pocket-mert, with SmolLM2 where it was fetched
"""

import sys
from pathlib import Path

import torch
from transformers import LlamaConfig

from linernotes.modeling.language_models import FETCHABLE, fetched
from linernotes.modeling.modeling_sonicverse import SonicVerseForConditionalGeneration

POCKET_MERT = Path(__file__).parents[2] / "models" / "pocket-mert"
SMOLLM2 = {
    "vocab_size": 49_152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 8192, "rope_theta": 100_000.0,
    "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
}  # fmt: skip
SIZES = {"content_tokens": 8, "task_tokens": 1, "projector_hidden_size": 128, "backbone_size": 256}


def build(folder: Path) -> Path:
    """Writes it as it lies in models/: encoder and projector, and where its language model is to be found."""
    torch.manual_seed(0)
    text = FETCHABLE if fetched(FETCHABLE) else None
    words = {} if text else {"text_config": LlamaConfig(**SMOLLM2), "text_name": FETCHABLE}
    options = {"model_name": "sonicverse-smol", **SIZES, **words}
    model = SonicVerseForConditionalGeneration.from_backbones(POCKET_MERT, text, **options)
    model.drop_language_model()
    model.half().save_pretrained(folder)
    return folder


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
