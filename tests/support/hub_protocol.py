"""How the local Hub is spoken to: requests, answers and refusals."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote


@dataclass(frozen=True)
class Request:
    """A request with its whole body; `path` is still quoted."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def call(self) -> tuple[str, str]:
        return self.method, unquote(self.path)

    def json(self) -> dict:
        return json.loads(self.body or b"{}")


@dataclass(frozen=True)
class Answer:
    """Bytes go out as they are, anything else as JSON; `sent` is how much of it before the connection is cut."""

    body: object = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: str = "all"  # or "half" of the body, or "nothing"

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    @property
    def content_type(self) -> str:
        return "application/octet-stream" if isinstance(self.body, bytes) else "application/json"


class RefusedError(Exception):
    """What was asked is not done; `answer` says so."""

    def __init__(self, status: int, message: str = "", code: str = "", **more: object):
        message = message or HTTPStatus(status).phrase
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self.answer = Answer({"error": message, **more}, status, headers)
