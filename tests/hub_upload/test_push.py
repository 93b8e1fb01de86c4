"""One commit or none: what the branch holds after every way in which an upload can go well or wrong."""

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from local_hub import CutAfter, CutBefore, LocalHub, MovedBranch, Status

from linernotes.hub_upload.errors import ArrivalError, HubRefusedError, HubUnreachableError, PublishError
from linernotes.hub_upload.export import export
from linernotes.hub_upload.names import check_repo_id
from linernotes.hub_upload.push import check_arrival, check_repository, check_revision, check_token, push

REPO = "me/tiny-moe"
CALLS = 11  # that a first push makes; `test_a_first_push` counts them


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def published(hub: LocalHub, rev: str = "main") -> dict[str, bytes]:
    """The branch's files but for the one that the Hub itself puts there; empty where there is no repository."""
    if ("model", REPO) not in hub.repos:
        return {}
    return {name: data for name, data in hub.files(REPO, rev).items() if name != ".gitattributes"}


@pytest.fixture
def newer(tiny_folder, tmp_path) -> Path:
    """The same model a version later."""
    source = Path(shutil.copytree(tiny_folder, tmp_path / "tiny-moe"))
    settings = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(settings | {"abstain_below": 0.25}))
    return export(source, tmp_path / "newer", REPO)


def attempt(folder: Path, api: HfApi) -> PublishError | None:
    """What stood in the way, if anything did."""
    try:
        push(folder, REPO, api)
    except PublishError as error:
        return error


# Well


def test_a_first_push(hub, api, exported):
    pushed = push(exported, REPO, api)
    assert len(hub.calls) == CALLS
    assert published(hub) == contents(exported)
    assert hub.history(REPO)[0] == pushed.sha
    assert len(hub.history(REPO)) == 2  # the Hub's own first commit, and ours
    assert pushed.changed
    assert pushed.url == f"{hub.endpoint}/{REPO}/commit/{pushed.sha}"
    check_arrival(exported, pushed, api)


def test_the_same_again_is_no_commit(hub, api, exported):
    first = push(exported, REPO, api)
    second = push(exported, REPO, api)
    assert (second.sha, second.changed) == (first.sha, False)
    assert len(hub.history(REPO)) == 2


def test_what_is_stale_goes_in_the_same_commit_and_what_is_not_ours_stays(hub, api, exported, newer):
    push(exported, REPO, api)
    elsewhere = {"modeling_old.py": b"import os", "pytorch_model.bin": b"pickle", "photo.jpg": b"mine"}
    api.create_commit(REPO, [CommitOperationAdd(name, data) for name, data in elsewhere.items()], commit_message="hand")
    push(newer, REPO, api)
    assert published(hub) == contents(newer) | {"photo.jpg": b"mine"}
    assert len(hub.history(REPO)) == 4


def test_what_an_earlier_export_listed_is_stale(hub, api, exported, tiny_folder, tmp_path):
    source = Path(shutil.copytree(tiny_folder, tmp_path / "tiny-moe"))
    (source / "plots").mkdir()
    (source / "plots" / "old.png").write_bytes(b"picture")
    push(export(source, tmp_path / "with picture", REPO), REPO, api)
    assert "plots/old.png" in published(hub)
    push(exported, REPO, api)
    assert published(hub) == contents(exported)


def test_a_private_repository_and_a_message(hub, api, exported):
    push(exported, REPO, api, private=True, message="A better ear")
    assert hub.repos["model", REPO].private
    assert hub.repos["model", REPO].history("main")[0].title == "A better ear"


def test_a_branch_is_made_of_main(hub, api, exported, newer):
    push(exported, REPO, api)
    push(newer, REPO, api, revision="v2")
    assert published(hub, "v2") == contents(newer)
    assert published(hub) == contents(exported)


def test_dots_in_a_name(hub, api, exported):
    assert push(exported, "me/tiny-v1.0", api).changed


# Refused, and nothing was sent


@pytest.mark.parametrize("name", ["tiny-moe", "me/", "/tiny", "me/a b", "me/a/b", "me/-a", "me/a..b", "me/a.git", ""])
def test_no_name(name):
    with pytest.raises(PublishError, match="is no name for a repository"):
        check_repo_id(name)


@pytest.mark.parametrize("name", ["", "bad name", "a..b", "-x", "refs/pr/1", "a/", "0" * 40, "x.lock", "ä"])
def test_no_branch(name):
    with pytest.raises(PublishError, match="is no name for a branch"):
        check_revision(name)


@pytest.mark.parametrize("name", ["main", "v1.0", "release/2026-11", "a_b"])
def test_branches(name):
    check_revision(name)


def test_a_token_that_may_only_read_and_one_that_nobody_knows(hub, api):
    api.token = hub.read_token
    with pytest.raises(HubRefusedError, match="may only read"):
        check_token(api)
    api.token = "hf_unknown"
    with pytest.raises(HubRefusedError, match="does not know this token"):
        check_token(api)


def test_somebody_elses_name(hub, api, exported):
    with pytest.raises(HubRefusedError, match="does not let this token write there"):
        push(exported, "you/tiny-moe", api)


def test_a_public_repository_does_not_become_private(hub, api, exported):
    push(exported, REPO, api)
    with pytest.raises(HubRefusedError, match="exists and is public"):
        push(exported, REPO, api, private=True)
    with pytest.raises(HubRefusedError, match="exists and is public"):
        check_repository(api, REPO, private=True)
    check_repository(api, "me/not-there-yet", private=True)


def test_another_model_is_not_replaced(hub, api, exported):
    hub.create(REPO)
    head = hub.commit(REPO, {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"precious"})
    with pytest.raises(HubRefusedError, match="holds a model of type 'bert', this one is 'genre_moe'"):
        push(exported, REPO, api)
    assert hub.head(REPO) == head


def test_a_name_that_a_data_set_has(hub, api, exported):
    hub.one_namespace = True
    hub.create(REPO, "dataset")
    with pytest.raises(HubRefusedError, match="is taken by a repository of another type"):
        push(exported, REPO, api)


def test_a_branch_that_moves_at_the_last_moment(hub, api, exported, newer):
    push(exported, REPO, api)
    hub.faults.append(MovedBranch(times=1))
    with pytest.raises(HubRefusedError, match="the branch moved"):
        push(newer, REPO, api)
    assert published(hub) == contents(exported) | {"elsewhere.txt": b"written by somebody else\n"}
    push(newer, REPO, api)
    assert published(hub) == contents(newer) | {"elsewhere.txt": b"written by somebody else\n"}


# Cut


@pytest.mark.parametrize("number", range(1, CALLS + 1))
@pytest.mark.parametrize("cut", [CutBefore, CutAfter])
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
def test_a_cut_at_any_call_leaves_the_old_or_the_whole_new(hub, api, exported, number, cut, for_good):
    """Once: the client tries again, or says what to do. For good: from that call on nothing gets through."""
    hub.faults.append(cut(at=number))
    if for_good:
        hub.faults += [cut(at=later) for later in range(number + 1, 10 * CALLS)]
    error = attempt(exported, api)
    assert error is None or error.exit_code in (3, 4)
    assert not for_good or error is None or isinstance(error, HubUnreachableError)
    assert published(hub) in ([contents(exported)] if error is None else [{}, contents(exported)])
    hub.faults.clear()
    push(exported, REPO, api)
    assert published(hub) == contents(exported)
    assert len(hub.history(REPO)) == 2


@pytest.mark.parametrize("number", range(1, CALLS))
def test_a_cut_update_leaves_the_old_or_the_whole_new(hub, api, exported, newer, number):
    push(exported, REPO, api)
    hub.faults += [CutBefore(at=later) for later in range(len(hub.calls) + number, 10 * CALLS)]
    error = attempt(newer, api)
    assert error is None or isinstance(error, HubUnreachableError)
    assert published(hub) in ([contents(newer)] if error is None else [contents(exported), contents(newer)])
    hub.faults.clear()
    push(newer, REPO, api)
    assert published(hub) == contents(newer)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize(
    "call", ["POST .*/commit/", "POST .*/preupload/", "GET .*/tree/", "PUT .*/lfs/", "POST .*create"]
)
def test_a_hub_that_fails(hub, api, exported, status, call):
    hub.faults.append(Status(status=status, match=call))
    with pytest.raises(HubUnreachableError, match="run the same command again"):
        push(exported, REPO, api)
    assert published(hub) == {}
    hub.faults.clear()
    assert push(exported, REPO, api).changed


def test_a_hub_that_fails_for_a_moment_is_asked_again(hub, api, exported):
    hub.faults.append(Status(status=503, match="PUT|POST .*/batch", times=2))
    assert push(exported, REPO, api).changed


@pytest.mark.parametrize("fault", [CutAfter(match="POST .*/commit/"), Status(status=504, match="/commit/", acted=True)])
def test_a_commit_whose_answer_is_lost_is_found(hub, api, exported, fault):
    hub.faults.append(fault)
    pushed = push(exported, REPO, api)
    assert (pushed.sha, pushed.changed) == (hub.head(REPO), True)
    assert len(hub.history(REPO)) == 2


def test_bytes_that_changed_on_the_way_are_noticed(hub, api, exported):
    pushed = push(exported, REPO, api)
    sha = hub.commit(REPO, {"model.safetensors": b"something else"})
    with pytest.raises(ArrivalError, match=r"differs from what was sent in model\.safetensors"):
        check_arrival(exported, type(pushed)(REPO, sha, pushed.url, True), api)


def test_a_commit_that_cannot_be_looked_at_is_not_called_refused(hub, api, exported):
    pushed = push(exported, REPO, api)
    hub.faults.append(Status(status=401, match="GET .*/tree/"))
    with pytest.raises(ArrivalError, match=f"{pushed.sha} is there, but could not be looked at"):
        check_arrival(exported, pushed, api)


# The token


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422, 500])
@pytest.mark.parametrize("call", ["create", "preupload", "/commit/", "GET .*/tree/", "PUT .*/lfs/"])
def test_the_token_is_in_no_message(hub, api, exported, status, call, caplog, capfd):
    hub.faults.append(Status(status=status, match=call, echo=True))
    with pytest.raises(PublishError) as caught:
        push(exported, REPO, api)
    error = caught.value
    while error is not None:
        assert hub.token not in f"{error!r} {error} {error.__dict__}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert hub.token not in caplog.text + "".join(capfd.readouterr())
