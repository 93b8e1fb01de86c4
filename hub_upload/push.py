"""Sends an exported folder to the Hub in one commit, and reads back what arrived.

The branch is either as it was or holds the whole new folder: everything goes into one commit on top of the head that
was looked at (`parent_commit`), and a commit whose answer was lost is looked for before a failure is reported.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelInfo, RepoFile
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HTTPError,  # of whichever httpx the client is built on
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from linernotes.hub_upload.errors import ArrivalError, HubRefusedError, HubUnreachableError, PublishError, VerifyError
from linernotes.hub_upload.manifest import LOADABLE_SUFFIXES, SUMS, digest, read_sums
from linernotes.hub_upload.names import check_repo_id

BRANCH = re.compile(r"(?!refs/|.*\.\.|.*//|.*\.lock$)[A-Za-z0-9][\w./-]*(?<![./])", re.ASCII)  # of what git allows
COMMIT = re.compile(r"[0-9a-f]{40}")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Pushed:
    """What is on the Hub now. `changed` is False where the same content was there already."""

    repo_id: str
    sha: str
    url: str
    changed: bool


def check_revision(revision: str) -> None:
    """Raises PublishError unless it can be the name of a branch."""
    if not BRANCH.fullmatch(revision) or COMMIT.fullmatch(revision):
        raise PublishError(f"{revision!r} is no name for a branch; write letters, digits, and - _ . / between them")


def check_token(api: HfApi) -> None:
    """Raises PublishError for what can be no token, HubRefusedError where it is not known or may only read."""
    if not api.token.isascii() or not api.token.isprintable() or " " in api.token:
        raise PublishError("the token has a space, a line break or a letter that no token has; copy it again")
    with hub_errors("the token", api.token):
        role = api.whoami().get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise HubRefusedError(
            "the token may only read; publishing needs the role 'write' (huggingface.co/settings/tokens)"
        )


def push(
    folder: Path,
    repo_id: str,
    api: HfApi,
    *,
    private: bool = False,
    revision: str = "main",
    message: str | None = None,
    say: Say = lambda stage: None,
) -> Pushed:
    """Makes the branch hold exactly the exported folder, beside files that are not the project's.

    Args:
        folder: what `export` wrote.
        api: a client with the token in it.
        private: whether a repository that is not there yet becomes private; refused where a public one exists.
        revision: a branch; made of main's head where it does not exist.
        message: of the commit; "Publish <model>" by default.

    Raises:
        PublishError: a bad name, or the Hub finds the card wrong.
        HubRefusedError: bad token, no rights, name taken, another model or other visibility there, branch moved.
        HubUnreachableError: no connection, or the Hub's own failure, after the client's retries.
    """
    check_repo_id(repo_id)
    config, sent = json.loads((folder / "config.json").read_text(encoding="utf-8")), local_files(folder)
    with hub_errors(repo_id, api.token):
        say("looking at the repository")
        open_repository(api, repo_id, private, revision)
        head = head_of(api, repo_id, revision)
        theirs = remote_files(api, repo_id, head)
        refuse_another_model(api, repo_id, head, theirs, config["model_type"])
        stale = stale_files(api, repo_id, head, set(theirs), sent)
    if not stale and arrived(theirs, folder):
        return Pushed(repo_id, head, commit_url(api, repo_id, head), changed=False)
    say(f"sending {len(sent)} files" + (f", removing {', '.join(stale)}" if stale else ""))
    additions = [CommitOperationAdd(name, folder / name) for name in sent]
    removals = [CommitOperationDelete(name, is_folder=False) for name in stale]
    title = message or f"Publish {config.get('model_name') or folder.name}"
    try:
        with hub_errors(repo_id, api.token):
            sha = api.create_commit(
                repo_id, [*additions, *removals], commit_message=title, revision=revision, parent_commit=head
            ).oid
    except PublishError:
        # an answer may have been lost after the commit was made; the client's second try is then told that it moved
        sha = commit_that_arrived(api, repo_id, revision, head, folder, stale)
        if sha is None:
            raise
    return Pushed(repo_id, sha, commit_url(api, repo_id, sha), changed=True)


def check_arrival(folder: Path, pushed: Pushed, api: HfApi) -> None:
    """Raises ArrivalError unless the pushed revision can be seen to hold every file of the folder, byte for byte."""
    try:
        with hub_errors(pushed.repo_id, api.token):
            theirs = remote_files(api, pushed.repo_id, pushed.sha)
    except PublishError as error:
        raise ArrivalError(f"{pushed.url} is there, but could not be looked at: {error}") from None
    if not arrived(theirs, folder):
        wrong = [name for name in local_files(folder) if not same_bytes(theirs.get(name), folder / name)]
        raise ArrivalError(f"{pushed.url} differs from what was sent in {', '.join(wrong)}; run the command again")


# The repository as it is


def open_repository(api: HfApi, repo_id: str, private: bool, revision: str) -> None:
    """Makes the repository and the branch where they are missing; raises HubRefusedError where they cannot be used."""
    try:
        info = api.repo_info(repo_id)
    except RepositoryNotFoundError:
        info = created(api, repo_id, private)
    refuse_public(info, repo_id, private)
    try:
        api.repo_info(repo_id, revision=revision)
    except RevisionNotFoundError:
        api.create_branch(repo_id, branch=revision, exist_ok=True)


def check_repository(api: HfApi, repo_id: str, private: bool) -> None:
    """Raises HubRefusedError early where the repository is there and is not what is asked for; makes nothing."""
    with hub_errors(repo_id, api.token), suppress(RepositoryNotFoundError):
        refuse_public(api.repo_info(repo_id), repo_id, private)


def refuse_public(info: ModelInfo, repo_id: str, private: bool) -> None:
    if private and not info.private:
        raise HubRefusedError(
            f"{repo_id} exists and is public; make it private in its settings, or leave out --private"
        )


def created(api: HfApi, repo_id: str, private: bool) -> ModelInfo:
    try:
        api.create_repo(repo_id, private=private)
    except HfHubHTTPError as error:
        if error.response.status_code != 409:
            raise
    try:
        return api.repo_info(repo_id)
    except RepositoryNotFoundError:  # it is there, and no model
        raise HubRefusedError(f"{repo_id} is taken by a repository of another type; choose another name") from None


def head_of(api: HfApi, repo_id: str, revision: str) -> str:
    return api.repo_info(repo_id, revision=revision).sha


def remote_files(api: HfApi, repo_id: str, sha: str) -> dict[str, RepoFile]:
    tree = api.list_repo_tree(repo_id, revision=sha, recursive=True)
    return {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}


def refuse_another_model(api: HfApi, repo_id: str, head: str, theirs: dict[str, RepoFile], model_type: str) -> None:
    """A slip of the name must not replace somebody's other model."""
    if "config.json" not in theirs:
        return
    config = json.loads(Path(api.hf_hub_download(repo_id, "config.json", revision=head)).read_text(encoding="utf-8"))
    if config.get("model_type") != model_type:
        raise HubRefusedError(
            f"{repo_id} holds a model of type {config.get('model_type')!r}, this one is {model_type!r}; "
            "name another repository, or delete that one first"
        )


def stale_files(api: HfApi, repo_id: str, head: str, theirs: set[str], ours: list[str]) -> list[str]:
    """What an earlier export put there and this one does not, and whatever else a load could take up."""
    before: set[str] = set()
    if SUMS in theirs:
        with suppress(VerifyError):  # somebody else's file of that name
            before = set(read_sums(Path(api.hf_hub_download(repo_id, SUMS, revision=head))))
    loadable = {name for name in theirs if name.lower().endswith(LOADABLE_SUFFIXES)}
    return sorted((before | loadable) & theirs - set(ours))


def arrived(theirs: dict[str, RepoFile], folder: Path) -> bool:
    return all(same_bytes(theirs.get(name), folder / name) for name in local_files(folder))


def same_bytes(theirs: RepoFile | None, ours: Path) -> bool:
    if theirs is None or theirs.size != ours.stat().st_size:
        return False
    if theirs.lfs is not None:
        return theirs.lfs.sha256 == digest(ours)
    content = ours.read_bytes()
    return theirs.blob_id == sha1(b"blob %d\0" % len(content) + content).hexdigest()  # git's name for it


def local_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def commit_url(api: HfApi, repo_id: str, sha: str) -> str:
    return f"{api.endpoint}/{repo_id}/commit/{sha}"


def commit_that_arrived(
    api: HfApi, repo_id: str, revision: str, before: str, folder: Path, stale: list[str]
) -> str | None:
    """The commit that made the branch what was sent, although no answer came; None where there is none."""
    try:
        with hub_errors(repo_id, api.token):
            sha = head_of(api, repo_id, revision)
            theirs = remote_files(api, repo_id, sha)
    except PublishError:
        return None
    return sha if sha != before and arrived(theirs, folder) and not theirs.keys() & set(stale) else None


# What the Hub says when it does not


@contextmanager
def hub_errors(repo_id: str, token: str | None) -> Iterator[None]:
    """Turns what the Hub's client raises into what a publisher can do about it; the token appears in none of it."""
    try:
        yield
    except (HTTPError, ConnectionError, EntryNotFoundError, RuntimeError, ValueError) as error:
        # a RuntimeError wraps whatever went wrong with one large file
        raise explained(error.__cause__ or error if type(error) is RuntimeError else error, repo_id, token) from None


def explained(error: BaseException, repo_id: str, token: str | None) -> PublishError:
    said = redacted(" ".join(str(error).split()) or type(error).__name__, token)
    status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else None
    if status == 401 or status == 403:
        what = "does not know this token" if status == 401 else "does not let this token write there"
        return HubRefusedError(
            f"{repo_id}: the Hub {what}; it needs the role 'write' for that user or organisation "
            f"(huggingface.co/settings/tokens): {said}"
        )
    if status == 409:
        return HubRefusedError(f"{repo_id}: the name is taken, or the branch is being written to: {said}")
    if status == 412:
        return HubRefusedError(f"{repo_id}: the branch moved while this was prepared; look at it and run again: {said}")
    if status in (400, 404, 413, 422) or isinstance(error, (EntryNotFoundError, ValueError)):
        return HubRefusedError(f"{repo_id}: the Hub does not accept this: {said}")
    return HubUnreachableError(
        f"{repo_id}: the Hub could not be reached or failed; the branch is as it was, or whole if the last answer was "
        f"lost: run the same command again: {said}"
    )


def redacted(text: str, token: str | None) -> str:
    return text.replace(token, "[token]") if token else text
