"""The local Hub: what huggingface_hub's own client meets there, and each way in which it can be made to fail."""

import hashlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from hub_client import client_environment, connect, no_waiting
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError
from local_hub import CutAfter, CutBefore, LocalHub, MovedBranch, Status, Truncated

SCRIPT = Path(__file__).resolve().parents[1] / "support" / "local_hub.py"
WEIGHTS = bytes(range(256)) * 1000
COMMIT = "POST .*/commit/"


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with LocalHub() as hub:
        yield hub


@pytest.fixture
def api(hub, monkeypatch, tmp_path) -> HfApi:
    return connect(monkeypatch, hub, tmp_path / "home")


def publish(api: HfApi, repo_id: str = "me/name", data: bytes = WEIGHTS, **options):
    """A repository with one commit of one large file in it."""
    api.create_repo(repo_id, exist_ok=True)
    return api.create_commit(repo_id, [CommitOperationAdd("model.safetensors", data)], commit_message="Add", **options)


@contextmanager
def refused(status: int, match: str | None = None) -> Iterator[None]:
    with pytest.raises(HfHubHTTPError, match=match) as error:
        yield
    assert error.value.response.status_code == status


# Publishing


def test_a_folder_comes_back_as_it_was_sent(hub, api, tmp_path):
    sent = {"README.md": b"---\nlicense: mit\n---\n", "model.safetensors": WEIGHTS, "plots/one.png": b"\x89PNG\0\0"}
    (tmp_path / "folder" / "plots").mkdir(parents=True)
    for name, data in sent.items():
        (tmp_path / "folder" / name).write_bytes(data)
    api.create_repo("me/name")
    api.upload_folder(repo_id="me/name", folder_path=tmp_path / "folder")
    assert [method for method, _ in hub.calls].count("PUT") == 2  # the picture too is a large file, being binary
    downloaded = Path(api.snapshot_download("me/name"))
    attributes = (downloaded / ".gitattributes").read_bytes()
    assert b"*.safetensors filter=lfs" in attributes
    assert {name: (downloaded / name).read_bytes() for name in sent} == sent
    assert hub.files("me/name") == sent | {".gitattributes": attributes}


@pytest.mark.parametrize("xet", [False, True], ids=["lfs", "xet"])
def test_the_same_again_makes_no_commit(monkeypatch, tmp_path, xet):
    (tmp_path / "store").mkdir()
    with LocalHub(xet_store=tmp_path / "store" if xet else None) as hub:
        api = connect(monkeypatch, hub, tmp_path / "home", xet=xet)
        first, again = publish(api), publish(api)
        assert Path(api.hf_hub_download("me/name", "model.safetensors")).read_bytes() == WEIGHTS
        assert any("/xet-write-token/" in path for _, path in hub.calls) == xet
        assert hub.history("me/name")[:-1] == [first.oid] == [again.oid]


def test_a_commit_of_a_file_that_was_not_uploaded_is_refused(hub, api, monkeypatch):
    monkeypatch.setattr("huggingface_hub._commit_api._upload_lfs_files", lambda **_: None)
    with refused(400, match=r"model\.safetensors was not uploaded before the commit"):
        publish(api)
    assert list(hub.files("me/name")) == [".gitattributes"]


def test_history_and_files_of_every_revision_are_kept(hub, api):
    first = publish(api).oid
    api.create_tag("me/name", tag="v1")
    second = publish(api, data=b"other weights").oid
    operations = [CommitOperationDelete("model.safetensors"), CommitOperationAdd("sub/config.json", b"{}")]
    third = api.create_commit("me/name", operations, commit_message="Replace").oid
    assert hub.history("me/name")[:3] == [third, second, first]
    listed = {commit.commit_id: commit.title for commit in api.list_repo_commits("me/name")}
    assert list(listed) == hub.history("me/name")
    assert list(listed.values()) == ["Replace", "Add", "Add", "initial commit"]
    assert hub.files("me/name", "v1")["model.safetensors"] == WEIGHTS
    assert set(hub.files("me/name")) == {".gitattributes", "sub/config.json"}
    assert [ref.target_commit for ref in api.list_repo_refs("me/name").tags] == [first]


def test_files_are_described_as_git_and_lfs_would(api):
    publish(api)
    api.upload_file(repo_id="me/name", path_in_repo="sub/hello.txt", path_or_fileobj=b"hello\n")
    large, small = api.get_paths_info("me/name", ["model.safetensors", "sub/hello.txt", "none"])
    assert (large.size, small.size, small.lfs) == (len(WEIGHTS), 6, None)
    assert small.blob_id == "ce013625030ba8dba906f756967f9e9ca394464a"  # `echo hello | git hash-object --stdin`
    siblings = {file.rfilename: file for file in api.model_info("me/name", files_metadata=True).siblings}
    assert siblings["model.safetensors"].lfs.pointer_size == 131  # three lines: version, oid, size
    assert siblings["model.safetensors"].lfs.sha256 == large.lfs.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert {entry.path for entry in api.list_repo_tree("me/name")} == {".gitattributes", "model.safetensors", "sub"}
    assert [entry.path for entry in api.list_repo_tree("me/name", "sub")] == ["sub/hello.txt"]
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download("me/name", "none.txt")
    with pytest.raises(RevisionNotFoundError):
        api.model_info("me/name", revision="none")


def test_a_card_that_cannot_be_read_is_refused(api):
    api.create_repo("me/name")
    with pytest.raises(ValueError, match="metadata is not a mapping"):
        api.upload_file(repo_id="me/name", path_in_repo="README.md", path_or_fileobj=b"---\n- a\n- list\n---\n")


# Rights


def test_tokens_have_roles(hub, api):
    hub.create("me/name")
    for token, role in hub.tokens.items():
        assert api.whoami(token=token)["auth"]["accessToken"]["role"] == role
    with refused(401, match="Invalid user token"):
        api.whoami(token="hf_wrong")
    with refused(401, match="Invalid credentials"):
        publish(HfApi(endpoint=hub.endpoint, token="hf_wrong"))
    reader = HfApi(endpoint=hub.endpoint, token=hub.read_token)
    with refused(403, match="You don't have the rights"):
        reader.create_repo("me/other")
    with refused(403, match="You don't have the rights"):
        publish(reader)
    assert len(hub.history("me/name")) == len(hub.repos) == 1


def test_a_private_repository_is_hidden(hub, api):
    api.create_repo("me/name", private=True)
    hub.create("other/name", private=True)
    assert api.model_info("me/name").private
    with refused(401, match="Repository Not Found"):
        HfApi(endpoint=hub.endpoint, token=False).model_info("me/name")
    with refused(404, match="Repository Not Found"):
        api.model_info("other/name")


def test_namespaces_of_others_are_theirs(monkeypatch, tmp_path):
    with LocalHub(organisations=["lab"]) as hub:
        api = connect(monkeypatch, hub, tmp_path)
        assert publish(api, "lab/name").oid == hub.head("lab/name")
        hub.create("other/theirs")
        for repo_id in ("other/new", "other/theirs"):
            with refused(403, match='under the namespace "other"'):
                publish(api, repo_id)
        assert set(hub.repos) == {("model", "lab/name"), ("model", "other/theirs")}


def test_a_name_may_be_taken_by_another_type(hub, api):
    hub.create("me/name", "dataset")
    assert publish(api).oid == hub.head("me/name")
    hub.create("me/other", "dataset")
    hub.one_namespace = True
    with refused(409, match="You already created this dataset repo"):
        api.create_repo("me/other")
    with refused(404, match="Repository Not Found"):
        publish(api, "me/other")


# Faults


@pytest.mark.parametrize("cut", [CutBefore, CutAfter])
def test_a_cut_at_any_call_leaves_the_old_head_or_a_whole_commit(monkeypatch, tmp_path, cut):
    outcomes, slept = [], no_waiting(monkeypatch)
    for number in range(1, 6):
        with LocalHub() as hub:
            hub.create("me/name")
            hub.faults.append(cut(at=number))
            try:
                publish(connect(monkeypatch, hub, tmp_path))
                outcomes.append("recovered")
            except httpx2.RemoteProtocolError:
                outcomes.append("committed" if len(hub.history("me/name")) == 2 else "old")
            assert hub.files("me/name").get("model.safetensors", WEIGHTS) == WEIGHTS
    retried = ["recovered"] * 3  # preupload, batch and PUT: the client tries again after a second
    assert outcomes == ["old", *retried, "old" if cut is CutBefore else "committed"]
    assert slept == [1] * 3


@pytest.mark.parametrize("status", [401, 403, 404, 409, 412, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("acted", [False, True])
def test_a_status_code_instead_of_a_commit_or_after_it(hub, api, status, acted):
    hub.faults.append(Status(status, match=COMMIT, acted=acted, echo=True))
    with refused(status, match=f"Bearer {hub.token}"):
        publish(api)
    assert len(hub.history("me/name")) == (2 if acted else 1)


@pytest.mark.parametrize(("status", "waits"), [(503, [1, 2]), (429, [1, 1])])
def test_the_first_calls_fail_and_the_client_tries_again(monkeypatch, hub, api, status, waits):
    slept = no_waiting(monkeypatch)
    hub.faults.append(Status(status, match="/preupload/", times=2))
    assert publish(api).oid == hub.head("me/name")
    assert slept == waits


@pytest.mark.parametrize("fault", [CutBefore(match="xet-write-token"), Status(503, match="xet-write-token")])
def test_xet_gives_up_without_waiting(monkeypatch, tmp_path, fault):
    no_waiting(monkeypatch)
    with LocalHub(xet_store=tmp_path / "store") as hub:
        hub.faults.append(fault)
        with pytest.raises(ConnectionError, match="xet-write-token"):
            publish(connect(monkeypatch, hub, tmp_path / "home", xet=True))


def test_the_branch_moves_just_before_the_commit(hub, api):
    parent = publish(api).oid
    hub.faults.append(MovedBranch(files={"theirs.txt": b"theirs"}))
    with refused(412, match="A commit has happened since"):
        publish(api, data=b"mine", parent_commit=parent)
    assert {b"theirs", WEIGHTS} < set(hub.files("me/name").values())
    hub.faults.clear()
    assert publish(api, data=b"mine", parent_commit=hub.head("me/name")).oid == hub.head("me/name")


def test_two_faults_may_strike_one_call(hub, api):
    hub.faults += [MovedBranch(), CutAfter(match=COMMIT)]
    with pytest.raises(httpx2.RemoteProtocolError):
        publish(api)
    assert set(hub.files("me/name")) == {".gitattributes", "elsewhere.txt", "model.safetensors"}


def test_a_truncated_download_is_resumed_or_noticed(monkeypatch, hub, api):
    no_waiting(monkeypatch)
    publish(api)
    hub.faults.append(Truncated(times=1))
    assert Path(api.hf_hub_download("me/name", "model.safetensors")).read_bytes() == WEIGHTS
    address, some = f"{hub.endpoint}/me/name/resolve/main/model.safetensors", {"Range": "bytes=250-260"}
    assert httpx2.get(address, headers=some).content == WEIGHTS[250:261]
    hub.faults.append(Truncated())
    with pytest.raises(httpx2.RemoteProtocolError):
        api.hf_hub_download("me/name", "model.safetensors", force_download=True)


# The server


def test_a_reader_who_stalls_holds_nobody_up(hub, api):
    publish(api, data=bytes(1 << 25))
    small = f"{hub.endpoint}/me/name/resolve/main/.gitattributes"
    with socket.create_connection(hub.server.server_address) as stalled, httpx2.Client(timeout=5) as client:
        stalled.sendall(b"GET /me/name/resolve/main/model.safetensors HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stalled.recv(8) == b"HTTP/1.1"
        with ThreadPoolExecutor(16) as pool:
            answers = set(pool.map(lambda _: client.get(small).content, range(64)))
    assert answers == {hub.files("me/name")[".gitattributes"]}


def test_a_stopped_hub_answers_nobody(monkeypatch, tmp_path):
    with LocalHub() as hub:
        publish(connect(monkeypatch, hub, tmp_path))
    with pytest.raises(httpx2.TransportError):
        HfApi(endpoint=hub.endpoint).model_info("me/name")


def test_a_mistake_of_the_hub_does_not_pass_for_a_fault():
    with pytest.raises(ExceptionGroup, match="the local Hub itself went wrong"), LocalHub() as hub:
        httpx2.post(f"{hub.endpoint}/api/validate-yaml", json={})


def test_it_runs_by_itself():
    process = subprocess.Popen([sys.executable, SCRIPT, "0"], stdout=subprocess.PIPE, text=True)
    try:
        exports = dict(process.stdout.readline().removeprefix("export ").strip().split("=", 1) for _ in range(3))
        assert exports["HF_HUB_DISABLE_XET"] == "1"
        headers = {"Authorization": f"Bearer {exports['HF_TOKEN']}"}
        assert httpx2.get(f"{exports['HF_ENDPOINT']}/api/whoami-v2", headers=headers).json()["name"] == "me"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_a_process_of_its_own_finds_the_hub(monkeypatch, hub, api, tmp_path):
    publish(api)
    hub.repos["model", "me/name"].private = True
    for variable in ("HF_HUB_OFFLINE", "HTTP_PROXY", "PYTHONPATH"):
        monkeypatch.setenv(variable, "1")
    environment = client_environment(hub, tmp_path / "home")
    assert not {"HF_HUB_OFFLINE", "HTTP_PROXY", "PYTHONPATH"} & set(environment)
    code = "import huggingface_hub as hub; print(hub.hf_hub_download('me/name', 'model.safetensors'))"
    hub.calls.clear()
    path = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip()
    assert [method for method, _ in hub.calls] == ["HEAD", "GET"]
    assert Path(path).is_relative_to(tmp_path / "home")
    assert Path(path).read_bytes() == WEIGHTS
