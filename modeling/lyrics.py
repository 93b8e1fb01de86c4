"""Lyrics beside sound: an XLM-RoBERTa reads them, and a learned gate says how much they add to what was heard.

Without lyrics nothing is added: the answer is, bit for bit, that of a model without this branch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase, XLMRobertaModel


class LyricsBranch(nn.Module):
    """Lyrics as one vector, projected to the size of what is heard, times a gate that knows both, added.

    config: a MathRockAffectConfig with a `text_config`.
    """

    def __init__(self, config):
        super().__init__()
        text = config.text_config
        self.xlm_roberta = XLMRobertaModel(text, add_pooling_layer=False)
        self.proj = nn.Linear(text.hidden_size, config.fusion_size)
        self.gate = nn.Linear(2 * config.fusion_size, config.fusion_size)
        self.max_tokens = text.max_position_embeddings - text.pad_token_id - 1  # positions are counted behind padding's

    def read(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Tokens (batch, tokens) -> the mean of their states (batch, hidden_size), and where there are any (batch,)."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        there = mask.bool().any(1)
        embedding = self.proj.weight.new_zeros(len(mask), self.proj.in_features)
        if there.any():  # a row without any would attend to nothing, and its gradients be NaN
            counted = mask[there, :, None].to(embedding.dtype)
            states = self.xlm_roberta(input_ids[there], attention_mask=mask[there]).last_hidden_state
            embedding[there] = (states * counted).sum(1) / counted.sum(1)
        return embedding, there

    def read_text(self, text: str, tokenizer: PreTrainedTokenizerBase) -> Tensor:
        """The mean state (hidden_size,) over all tokens of a text, however long: it is read piece by piece."""
        pieces = tokenizer(
            text,
            truncation=True,
            max_length=self.max_tokens,
            return_overflowing_tokens=True,
            padding=True,
            return_tensors="pt",
        ).to(self.proj.weight.device)
        embeddings, _ = self.read(pieces["input_ids"], pieces["attention_mask"])
        sizes = pieces["attention_mask"].sum(1).to(embeddings.dtype)
        return sizes @ embeddings / sizes.sum()

    def forward(self, heard: Tensor, embedding: Tensor, there: Tensor) -> Tensor:
        """(batch, fusion_size), with the lyrics (batch, hidden_size) in the rows where there are any, (batch,)."""
        words = F.gelu(self.proj(embedding))
        gate = self.gate(torch.cat((heard, words), dim=-1)).sigmoid()
        return torch.where(there[:, None], heard + gate * words, heard)
