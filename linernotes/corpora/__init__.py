"""Where data comes from: songs composed and rendered by rule, readers of public collections, manifests and splits.

Nothing is imported here, so that the synthesis needs numpy only: `datasets` is needed from manifest.py on.
"""
