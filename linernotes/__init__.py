"""linernotes: what the sleeve of a record says about the music, read from the audio."""

from importlib.metadata import version

from linernotes.api import bundled_models, load
from linernotes.listening import Listener, listen

__all__ = ["Listener", "bundled_models", "listen", "load"]
__version__ = version("linernotes")
