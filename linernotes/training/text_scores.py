"""How near captions are to reference captions: the scores of the field, by their keepers' libraries, named apart.

bleu_1 .. bleu_4: sacrebleu's corpus BLEU of so many orders over words (0 to 1 here). bleu_4_characters: SonicVerse's
own "BLEU-4", nltk's sentence BLEU on strings, so over single characters, of order four alone. meteor_stem: nltk's
METEOR with exact words and Porter stems; without WordNet's synonyms, which nltk would fetch. rouge_l: Google's
rouge-score, F. embedding_f1: words matched by the cosine of a language model's input embeddings, greedily and both
ways, as BERTScore does with contextual ones (Zhang et al. 2020, arXiv 1904.09675). None knows what is true.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from nltk.translate.bleu_score import sentence_bleu
from nltk.translate.meteor_score import single_meteor_score
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

from linernotes.training.bootstrap import resample, with_interval

ORDERS = (1, 2, 3, 4)
BLEU_RESAMPLES = 200  # each costs a corpus BLEU


class NoSynonyms:
    """In WordNet's place: no word has another meaning than itself."""

    @staticmethod
    def synsets(word: str) -> list[Any]:
        return []


def words_of(caption: str) -> list[str]:
    return "".join(letter if letter.isalnum() or letter in "#/'" else " " for letter in caption.lower()).split()


def bleu(captions: Sequence[str], references: Sequence[Sequence[str]], order: int) -> float:
    """Corpus BLEU over words up to an order; references: of each caption as many as of any other."""
    scorer = BLEU(max_ngram_order=order, lowercase=True)
    return scorer.corpus_score(list(captions), [list(column) for column in zip(*references, strict=True)]).score / 100


def best_over(score: Callable[[str, str], float], caption: str, references: Sequence[str]) -> float:
    return max(score(reference, caption) for reference in references)


def meteor_stem(reference: str, caption: str) -> float:
    return float(single_meteor_score(words_of(reference), words_of(caption), wordnet=NoSynonyms))


ROUGE = RougeScorer(["rougeL"])


def rouge_l(reference: str, caption: str) -> float:
    return float(ROUGE.score(reference, caption)["rougeL"].fmeasure)


def bleu_4_characters(reference: str, caption: str) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of captions without four characters in common
        return float(sentence_bleu([reference], caption, weights=(0, 0, 0, 1)))


def embedding_f1(embeddings: torch.Tensor, tokenize: Callable[[str], Sequence[int]]) -> Callable[[str, str], float]:
    """A score of (reference, caption) by the rows of `embeddings` (vocabulary, width), their mean taken off."""
    table = F.normalize(embeddings.detach().float() - embeddings.detach().float().mean(0), dim=1)

    def score(reference: str, caption: str) -> float:
        wanted, said = (table[list(tokenize(text))] for text in (reference, caption))
        if not len(wanted) or not len(said):
            return 0.0
        near = said @ wanted.T
        precision, recall = near.max(1).values.mean().item(), near.max(0).values.mean().item()
        return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0

    return score


SCORES: dict[str, Callable[[str, str], float]] = {
    "meteor_stem": meteor_stem,
    "rouge_l": rouge_l,
    "bleu_4_characters": bleu_4_characters,
}


def text_figures(
    captions: Sequence[str],
    references: Sequence[Sequence[str]],
    groups: np.ndarray,
    scores: dict[str, Callable[[str, str], float]] = SCORES,
) -> dict[str, Any]:
    """Every score with its interval over groups; of several references the best counts, BLEU takes them together.

    Raises ValueError where captions have different numbers of references.
    """
    if len({len(each) for each in references}) != 1 or not len(captions):
        raise ValueError("every caption needs references, as many as any other")
    numbers = np.unique(groups, return_inverse=True)[1]
    counts = resample(int(numbers.max()) + 1, seed=0)
    weights, found = counts[:, numbers], {}
    for order in ORDERS:
        draws = np.array([_bleu_of(captions, references, row, order) for row in weights[:BLEU_RESAMPLES]])
        found[f"bleu_{order}"] = with_interval(bleu(captions, references, order), draws)
    for name, score in scores.items():
        values = np.array([best_over(score, *pair) for pair in zip(captions, references, strict=True)])
        found[name] = with_interval(float(values.mean()), weights @ values / weights.sum(1))
    return found


def _bleu_of(captions: Sequence[str], references: Sequence[Sequence[str]], counts: np.ndarray, order: int) -> float:
    drawn = np.repeat(np.arange(len(captions)), counts.astype(int))
    return bleu([captions[i] for i in drawn], [references[i] for i in drawn], order)
