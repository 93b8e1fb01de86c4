"""What the local Hub keeps: who may do what, and repositories as histories of whole trees. No HTTP in here."""

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import xet_store

LARGE_SUFFIXES = (".bin", ".flac", ".mp3", ".npz", ".onnx", ".parquet", ".pt", ".safetensors", ".wav", ".zip")
ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE_SUFFIXES)


@dataclass(frozen=True)
class StoredFile:
    """The bytes of a file; `large` where git itself keeps only a pointer to them."""

    data: bytes
    large: bool = False

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def in_git(self) -> bytes:
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.data)}\n"
        return pointer.encode() if self.large else self.data

    @cached_property
    def oid(self) -> str:
        """The id of the git blob."""
        return hashlib.sha1(b"blob %d\0" % len(self.in_git) + self.in_git).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.oid


@dataclass(frozen=True)
class Commit:
    """A whole tree, and how it came about; the first commit of a repository has no parent."""

    sha: str
    parent: str | None
    title: str
    files: dict[str, StoredFile]


class Repo:
    """Commits by id, and the branches and tags that name some of them."""

    def __init__(self, private: bool = False):
        self.private = private
        self.commits: dict[str, Commit] = {}
        self.branches: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.commit("main", {".gitattributes": StoredFile(ATTRIBUTES.encode())}, "initial commit")

    def commit(self, branch: str, files: dict[str, StoredFile], title: str) -> Commit:
        """Put a commit with this whole tree on top of a branch, which is made if there is none."""
        parent = self.branches.get(branch)
        tree = sorted((path, file.oid) for path, file in files.items())
        sha = hashlib.sha1(json.dumps([len(self.commits), parent, title, tree]).encode()).hexdigest()
        self.commits[sha] = Commit(sha, parent, title, dict(files))
        self.branches[branch] = sha
        return self.commits[sha]

    def resolve(self, revision: str) -> Commit | None:
        """The commit that a branch, a tag or a full id names."""
        return self.commits.get(self.branches.get(revision) or self.tags.get(revision) or revision)

    def history(self, revision: str) -> list[Commit]:
        """The commit of a revision and all before it, newest first."""
        commits, commit = [], self.resolve(revision)
        while commit:
            commits.append(commit)
            commit = self.commits.get(commit.parent)
        return commits


class HubState:
    """All that a Hub knows. What a test asks or changes here goes past the HTTP API and past the rights.

    Args:
        user: the one user, to whom every token belongs.
        organisations: other namespaces that the user may write to.
        one_namespace: models, datasets and spaces share their names: what one has taken, no other can have.
        xet_store: an empty folder; with it clients may upload large files by xet, without it by LFS only.

    Attributes:
        tokens: the role of each token, "write" or "read"; every other token is refused.
        repos: repositories by type ("model", "dataset" or "space") and id.
        large: contents that were uploaded by LFS or taken from the xet store, by SHA-256.
    """

    def __init__(
        self,
        user: str = "me",
        organisations: Sequence[str] = (),
        one_namespace: bool = False,
        xet_store: Path | None = None,
    ):
        self.user, self.organisations, self.one_namespace = user, organisations, one_namespace
        self.xet_store = xet_store
        self.tokens = {"hf_localwrite": "write", "hf_localread": "read"}
        self.repos: dict[tuple[str, str], Repo] = {}
        self.large: dict[str, bytes] = {}
        self.lock = threading.RLock()

    @property
    def token(self) -> str:
        """A token that may write."""
        return next(token for token, role in self.tokens.items() if role == "write")

    @property
    def read_token(self) -> str:
        return next(token for token, role in self.tokens.items() if role == "read")

    def owns(self, repo_id: str) -> bool:
        return repo_id.split("/")[0] in (self.user, *self.organisations)

    def create(self, repo_id: str, repo_type: str = "model", private: bool = False) -> Repo:
        with self.lock:
            return self.repos.setdefault((repo_type, repo_id), Repo(private))

    def commit(self, repo_id: str, files: dict[str, bytes], branch: str = "main", repo_type: str = "model") -> str:
        """Somebody else's commit: add or replace files; the new head."""
        with self.lock:
            repo = self.repos[repo_type, repo_id]
            tree = repo.resolve(branch).files | {path: StoredFile(data) for path, data in files.items()}
            return repo.commit(branch, tree, "a commit from elsewhere").sha

    def files(self, repo_id: str, rev: str = "main", repo_type: str = "model") -> dict[str, bytes]:
        """The whole tree of a revision."""
        with self.lock:
            return {path: file.data for path, file in self.repos[repo_type, repo_id].resolve(rev).files.items()}

    def head(self, repo_id: str, rev: str = "main", repo_type: str = "model") -> str:
        """The id of a revision's commit."""
        return self.history(repo_id, rev, repo_type)[0]

    def history(self, repo_id: str, rev: str = "main", repo_type: str = "model") -> list[str]:
        """The ids of a revision's commits, newest first."""
        with self.lock:
            return [commit.sha for commit in self.repos[repo_type, repo_id].history(rev)]

    def uploaded(self, sha256: str) -> bytes | None:
        """A large file that a client has uploaded, by LFS or by xet."""
        if sha256 not in self.large and self.xet_store is not None:
            data = xet_store.read_back(Path(self.xet_store), sha256)
            if data is not None:
                self.large[sha256] = data
        return self.large.get(sha256)
