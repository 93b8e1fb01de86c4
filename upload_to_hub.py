"""Publishes a model of this project: python upload_to_hub.py --repo you/genre-moe"""

import sys

try:
    from linernotes.hub_upload.command import main
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is not installed for {sys.executable}; first: pip install -e '.[hub]' -c constraints.txt")

if __name__ == "__main__":
    main()
