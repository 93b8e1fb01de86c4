"""The score room: music with exact facts, composed as MIDI after a plan."""

from linernotes.corpora.score.composer import compose
from linernotes.corpora.score.plans import Plan, draw_plan
from linernotes.corpora.score.score import Facts, Score, Span

__all__ = ["Facts", "Plan", "Score", "Span", "compose", "draw_plan"]
