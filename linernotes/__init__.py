"""linernotes: what the sleeve of a record says about the music, read from the audio."""

from importlib.metadata import version

from linernotes.api import bundled_models, load

__all__ = ["bundled_models", "load"]
__version__ = version("linernotes")
