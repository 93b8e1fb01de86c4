"""Names of repositories, which stand in cards, notebooks and commands that people copy."""

import re

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from linernotes.hub_upload.errors import PublishError

REPO_ID = re.compile(r"[^/]+/[^/]+")


def check_repo_id(repo_id: str) -> None:
    """Raises PublishError unless the name is "user/name" as the Hub allows it."""
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise PublishError(f"{repo_id!r} is no name for a repository: {error}") from None
    if not REPO_ID.fullmatch(repo_id):
        raise PublishError(f"{repo_id!r} is no name for a repository; write user/name, such as you/genre-moe")
