"""WIKIMETER: a catalog of works whose meter is documented, and how it becomes a folder of labelled segments.

The catalog names works and no recordings: which recording is found, and whether it may be used, is for whoever runs
`linernotes corpus wikimeter download` to see to. `readers.wikimeter` reads the folder.
"""
