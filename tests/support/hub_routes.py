"""What the local Hub answers: one function for each route of the Hub's HTTP API that publishing and loading need.

Each takes the state, the request and the named groups of its pattern, and is called with the state's lock held.
"""

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote

import yaml
from hub_protocol import Answer, RefusedError, Request
from hub_state import LARGE_SUFFIXES, Commit, HubState, Repo, StoredFile

TYPES = {"models": "model", "datasets": "dataset", "spaces": "space"}
KIND = r"(?P<kind>models|datasets|spaces)"
REPO = r"(?P<repo_id>[\w.-]+/[\w.-]+)"
REVISION = r"(?P<revision>[^/]+)"
DATE = "2026-01-01T00:00:00.000Z"
LARGEST_REGULAR_FILE = 10_000_000
ROUTES: list[tuple[str, re.Pattern, Callable[..., Answer]]] = []


def route(method: str, pattern: str) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    def register(function: Callable[..., Answer]) -> Callable[..., Answer]:
        ROUTES.append((method, re.compile(pattern), function))
        return function

    return register


def act(hub: HubState, request: Request) -> Answer:
    """Do what the request asks for, or say why not."""
    method = "GET" if request.method == "HEAD" else request.method
    for wanted, pattern, function in ROUTES:
        if method == wanted and (match := pattern.fullmatch(request.path)):
            groups = {name: unquote(text) for name, text in match.groupdict().items() if text}
            try:
                return function(hub, request, **groups)
            except RefusedError as refused:
                return refused.answer
    return RefusedError(404, f"the local Hub has no route {request.method} {request.path}").answer


# Rights


def role(hub: HubState, request: Request) -> str | None:
    """The role of the request's token; None for a request without one."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token and token not in hub.tokens:
        raise RefusedError(401, "Invalid credentials in Authorization header")
    return hub.tokens.get(token)


def must_write(hub: HubState, request: Request, repo_id: str) -> None:
    if (found := role(hub, request)) is None:
        raise RefusedError(401, "Invalid username or password.")
    if found != "write" or not hub.owns(repo_id):
        raise RefusedError(403, f'You don\'t have the rights to write under the namespace "{repo_id.split("/")[0]}"')


def find(hub: HubState, request: Request, kind: str, repo_id: str, revision: str = "main") -> tuple[Repo, Commit]:
    """A repository that the request may read, and the commit that the revision names."""
    known, repo = role(hub, request), hub.repos.get((TYPES[kind], repo_id))
    if repo is None or (repo.private and not (known and hub.owns(repo_id))):
        if not known:
            raise RefusedError(401, "Invalid username or password.", "RepoNotFound")
        raise RefusedError(404, "Repository not found", "RepoNotFound")
    if (commit := repo.resolve(revision)) is None:
        raise RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return repo, commit


def find_to_write(hub: HubState, request: Request, kind: str, repo_id: str, revision: str) -> tuple[Repo, Commit]:
    found = find(hub, request, kind, repo_id, revision)
    must_write(hub, request, repo_id)
    if "create_pr" in request.query:
        raise RefusedError(501, "the local Hub has no pull requests")
    return found


# Users and repositories


@route("GET", "/api/whoami-v2")
def whoami(hub: HubState, request: Request) -> Answer:
    if (found := role(hub, request)) is None:
        raise RefusedError(401, "Invalid username or password.")
    access = {"type": "access_token", "accessToken": {"displayName": "local", "role": found}}
    organisations = [{"type": "org", "name": name, "roleInOrg": "write"} for name in hub.organisations]
    return Answer({"type": "user", "name": hub.user, "fullname": hub.user, "orgs": organisations, "auth": access})


def named(hub: HubState, request: Request) -> tuple[str, str]:
    """The type and the id of the repository that the body is about."""
    asked = request.json()
    return asked.get("type") or "model", f"{asked.get('organization') or hub.user}/{asked['name']}"


@route("POST", "/api/repos/create")
def create(hub: HubState, request: Request) -> Answer:
    repo_type, repo_id = named(hub, request)
    must_write(hub, request, repo_id)
    address = {"url": web_address(hub, f"{repo_type}s", repo_id), "name": repo_id, "id": repo_id}
    taken = {kind for kind, name in hub.repos if name == repo_id and (hub.one_namespace or kind == repo_type)}
    if taken:
        raise RefusedError(409, f"You already created this {taken.pop()} repo", **address)
    hub.create(repo_id, repo_type, private=request.json().get("visibility") == "private")
    return Answer(address)


@route("DELETE", "/api/repos/delete")
def delete(hub: HubState, request: Request) -> Answer:
    repo_type, repo_id = named(hub, request)
    find_to_write(hub, request, f"{repo_type}s", repo_id, "main")
    del hub.repos[repo_type, repo_id]
    return Answer({})


def web_address(hub: HubState, kind: str, repo_id: str) -> str:
    return f"{hub.endpoint}/{'' if kind == 'models' else kind + '/'}{repo_id}"


@route("GET", rf"/api/{KIND}/{REPO}(?:/revision/{REVISION})?")
def info(hub: HubState, request: Request, kind: str, repo_id: str, revision: str = "main") -> Answer:
    repo, commit = find(hub, request, kind, repo_id, revision)
    names = {"_id": "0", "id": repo_id, "modelId": repo_id, "author": repo_id.split("/")[0], "sha": commit.sha}
    counts = {"private": repo.private, "gated": False, "disabled": False, "tags": [], "downloads": 0, "likes": 0}
    files = [{"rfilename": path} for path in sorted(commit.files)]
    if "blobs" in request.query:
        for file in files:
            entry = described(file["rfilename"], commit.files[file["rfilename"]])
            file |= {"size": entry["size"], "blobId": entry["oid"]}
            if "lfs" in entry:
                file["lfs"] = entry["lfs"] | {"sha256": entry["lfs"]["oid"]}
    return Answer(names | counts | {"lastModified": DATE, "createdAt": DATE, "siblings": files})


@route("GET", rf"/api/{KIND}/{REPO}/commits/{REVISION}")
def commits(hub: HubState, request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    repo, _ = find(hub, request, kind, repo_id, revision)
    common = {"message": "", "date": DATE, "authors": [{"user": hub.user}]}
    return Answer([{"id": commit.sha, "title": commit.title, **common} for commit in repo.history(revision)])


@route("GET", rf"/api/{KIND}/{REPO}/refs")
def refs(hub: HubState, request: Request, kind: str, repo_id: str) -> Answer:
    repo, _ = find(hub, request, kind, repo_id)
    return Answer({"branches": listed("heads", repo.branches), "tags": listed("tags", repo.tags), "converts": []})


def listed(folder: str, names: dict[str, str]) -> list[dict]:
    return [{"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": sha} for name, sha in names.items()]


@route("POST", rf"/api/{KIND}/{REPO}/tag/{REVISION}")
def tag(hub: HubState, request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    repo, commit = find_to_write(hub, request, kind, repo_id, revision)
    return add_name(repo.tags, request.json()["tag"], commit)


@route("POST", rf"/api/{KIND}/{REPO}/branch/(?P<name>[^/]+)")
def branch(hub: HubState, request: Request, kind: str, repo_id: str, name: str) -> Answer:
    repo, commit = find_to_write(hub, request, kind, repo_id, request.json().get("startingPoint") or "main")
    return add_name(repo.branches, name, commit)


def add_name(names: dict[str, str], name: str, commit: Commit) -> Answer:
    if name in names:
        raise RefusedError(409, f"{name} already exists")
    names[name] = commit.sha
    return Answer({})


# Files


def described(path: str, file: StoredFile) -> dict:
    entry = {"type": "file", "path": path, "size": len(file.data), "oid": file.oid}
    large = {"oid": file.sha256, "size": len(file.data), "pointerSize": len(file.in_git)}
    return entry | ({"lfs": large} if file.large else {})


@route("GET", rf"/api/{KIND}/{REPO}/tree/{REVISION}(?:/(?P<folder>.+))?")
def tree(hub: HubState, request: Request, kind: str, repo_id: str, revision: str, folder: str = "") -> Answer:
    _, commit = find(hub, request, kind, repo_id, revision)
    base = f"{folder}/" if folder else ""
    below = sorted(path.removeprefix(base) for path in commit.files if path.startswith(base))
    if folder and not below:
        raise RefusedError(404, f"{folder} does not exist", "EntryNotFound")
    folders = sorted({str(parent) for path in below for parent in PurePosixPath(path).parents[:-1]})
    deep = request.query.get("recursive", "").lower() in ("true", "1")
    shown = [{"type": "directory", "path": base + name, "size": 0, "oid": "0" * 40} for name in folders]
    shown += [described(base + name, commit.files[base + name]) for name in below]
    return Answer([entry for entry in shown if deep or "/" not in entry["path"].removeprefix(base)])


@route("POST", rf"/api/{KIND}/{REPO}/paths-info/{REVISION}")
def paths_info(hub: HubState, request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    _, commit = find(hub, request, kind, repo_id, revision)
    as_form = request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
    asked = parse_qs(request.body.decode()).get("paths", []) if as_form else request.json()["paths"]
    return Answer([described(path, commit.files[path]) for path in asked if path in commit.files])


@route("GET", rf"(?:/(?P<kind>datasets|spaces))?/{REPO}/resolve/{REVISION}/(?P<path>.+)")
def resolve(hub: HubState, request: Request, repo_id: str, revision: str, path: str, kind: str = "models") -> Answer:
    _, commit = find(hub, request, kind, repo_id, revision)
    headers = {"X-Repo-Commit": commit.sha}
    if path not in commit.files:
        return Answer({"error": "Entry not found"}, 404, headers | {"X-Error-Code": "EntryNotFound"})
    file = commit.files[path]
    headers |= {"ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
    if file.large:
        headers |= {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(len(file.data))}
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if not asked or request.method == "HEAD":
        return Answer(file.data, 200, headers)
    start, end, size = int(asked[1]), int(asked[2] or len(file.data) - 1) + 1, len(file.data)
    if start >= size:
        return Answer(b"", 416, headers | {"Content-Range": f"bytes */{size}"})
    span = {"Content-Range": f"bytes {start}-{min(end, size) - 1}/{size}"}
    return Answer(file.data[start:end], 206, headers | span)


# Uploading


@route("POST", "/api/validate-yaml")
def validate_yaml(_hub: HubState, request: Request) -> Answer:
    front = re.match(r"---\r?\n(.*?)\r?\n---", request.json()["content"], re.DOTALL)
    errors = []
    try:
        if front and not isinstance(yaml.safe_load(front[1]) or {}, dict):
            errors.append({"message": "metadata is not a mapping"})
    except yaml.YAMLError as error:
        errors.append({"message": str(error)})
    return Answer({"errors": errors, "warnings": []}, 400 if errors else 200)


@route("POST", rf"/api/{KIND}/{REPO}/preupload/{REVISION}")
def preupload(hub: HubState, request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    _, commit = find_to_write(hub, request, kind, repo_id, revision)
    modes = []
    for file in request.json()["files"]:
        binary = b"\0" in base64.b64decode(file["sample"])
        large = binary or file["path"].endswith(LARGE_SUFFIXES) or file["size"] > LARGEST_REGULAR_FILE
        there = commit.files.get(file["path"])
        mode = {"uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": there and there.etag}
        modes.append({"path": file["path"], **mode})
    return Answer({"files": modes, "commitOid": commit.sha})


@route("POST", rf"(?:/(?P<kind>datasets|spaces))?/{REPO}\.git/info/lfs/objects/batch")
def lfs_batch(hub: HubState, request: Request, repo_id: str, kind: str = "models") -> Answer:
    find_to_write(hub, request, kind, repo_id, "main")
    objects = [{"oid": wanted["oid"], "size": wanted["size"]} for wanted in request.json()["objects"]]
    for wanted in objects:
        if wanted["oid"] not in hub.large:
            wanted["actions"] = {"upload": {"href": f"{hub.endpoint}/lfs/{wanted['oid']}"}}
    return Answer({"transfer": "basic", "objects": objects})


@route("PUT", "/lfs/(?P<sha256>[0-9a-f]{64})")
def lfs_put(hub: HubState, request: Request, sha256: str) -> Answer:
    if hashlib.sha256(request.body).hexdigest() != sha256:
        raise RefusedError(400, "the content is not what its address says")
    hub.large[sha256] = request.body
    return Answer()


@route("GET", rf"/api/{KIND}/{REPO}/xet-write-token/{REVISION}")
def xet_token(hub: HubState, request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    find_to_write(hub, request, kind, repo_id, revision)
    if hub.xet_store is None:
        raise RefusedError(
            404, "this local Hub has no xet store: set HF_HUB_DISABLE_XET=1, or make it with xet_store=FOLDER"
        )
    return Answer({"casUrl": f"local://{hub.xet_store}", "accessToken": "-", "exp": int(time.time()) + 3600})


@route("POST", rf"/api/{KIND}/{REPO}/commit/{REVISION}")
def commit(hub: HubState, request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    repo, head = find_to_write(hub, request, kind, repo_id, revision)
    if revision not in repo.branches:
        raise RefusedError(404, f"{revision} is no branch", "RevisionNotFound")
    header, *changes = (json.loads(line) for line in request.body.splitlines() if line)
    if not head.sha.startswith(header["value"].get("parentCommit") or ""):
        raise RefusedError(412, "A commit has happened since. Please refresh and try again.")
    files = dict(head.files)
    for change in changes:
        apply(hub, files, change["key"], change["value"])
    made = repo.commit(revision, files, header["value"]["summary"])
    address = f"{web_address(hub, kind, repo_id)}/commit/{made.sha}"
    return Answer({"success": True, "commitOid": made.sha, "commitUrl": address})


def apply(hub: HubState, files: dict[str, StoredFile], change: str, value: dict) -> None:
    """One change of a commit, made in `files`."""
    path = value["path"]
    if change == "file":
        files[path] = StoredFile(base64.b64decode(value["content"]))
    elif change == "lfsFile":
        if (data := hub.uploaded(value["oid"])) is None:
            raise RefusedError(
                400, f"{path} was not uploaded before the commit: nothing has the SHA-256 {value['oid']}"
            )
        files[path] = StoredFile(data, large=True)
    else:
        folder = f"{path.rstrip('/')}/"
        gone = [name for name in files if (name.startswith(folder) if change == "deletedFolder" else name == path)]
        if not gone:
            raise RefusedError(404, "A file with this name doesn't exist", "EntryNotFound")
        for name in gone:
            del files[name]
