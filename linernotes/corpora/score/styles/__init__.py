"""What each style asks of its band. To add one, write a module with a `STYLE` and list it here."""

from linernotes.corpora.score.band import Style
from linernotes.corpora.score.styles import blues, classical, jazz, mathrock, neutral, pop, rock, solo

STYLES: dict[str, Style] = {
    module.STYLE.name: module.STYLE for module in (jazz, blues, rock, pop, classical, mathrock, neutral, solo)
}
