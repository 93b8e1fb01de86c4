"""Who reads the cells of a seat. A player is a function from the take, the seat, his dice and his bars to notes."""

from linernotes.corpora.score.players.alone import long_notes, running
from linernotes.corpora.score.players.bass import groove, walking
from linernotes.corpora.score.players.chords import arpeggio, chorale, comp
from linernotes.corpora.score.players.drums import play_kit
from linernotes.corpora.score.players.together import hits, layer
from linernotes.corpora.score.players.tunes import tune
from linernotes.corpora.score.take import Player

PLAYERS: dict[str, Player] = {
    "arpeggio": arpeggio,
    "chorale": chorale,
    "comp": comp,
    "groove": groove,
    "hits": hits,
    "kit": play_kit,
    "layer": layer,
    "long_notes": long_notes,
    "running": running,
    "tune": tune,
    "walking": walking,
}
