"""What visitors leave on the server: how it goes away again, and that no page of ours asks anybody else."""

import errno
import json
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders

from linernotes.modeling.audio import AudioError

FORGOTTEN_AFTER_SECONDS = 3600.0  # an upload that nobody asked about
# gradio's own scripts and styles stand in the page; recordings and pictures are data and blobs of it
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'"
)


class Uploads:
    """Counts who uploaded which file. gradio names a file after its content, so that two visitors with the same song
    share one: it goes when the last of them was served.

    folder: where they lie, and all else that is written while the page is open.
    """

    def __init__(self, folder: str | None = None):
        self.folder = folder
        self._lock = threading.Lock()
        self._waiting: dict[str, list[float]] = {}

    def note(self, paths: Iterable[str]) -> None:
        now = time.monotonic()
        with self._lock:
            fresh = now - FORGOTTEN_AFTER_SECONDS
            noted = {path: [at for at in times if at > fresh] for path, times in self._waiting.items()}
            self._waiting = {path: times for path, times in noted.items() if times}
            for path in paths:
                self._waiting.setdefault(path, []).append(now)

    def take(self, path: str) -> dict[str, Any]:
        """A recording as models take it, {"path": its name, "bytes"}; an uploaded file is removed with this.

        Raises AudioError where it is gone.
        """
        file = Path(path)
        with self._lock:
            try:
                recording = {"path": file.name, "bytes": file.read_bytes()}
            except FileNotFoundError:
                raise AudioError("not_found", "the upload is no longer here: upload it again", file.name) from None
            waiting = self._waiting.pop(path, None)
            if waiting is not None and len(waiting) > 1:
                self._waiting[path] = waiting[1:]
            elif waiting is not None:
                file.unlink()
                _remove_if_empty(file.parent)  # the same sound may lie there under another visitor's name
        return recording


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # systems differ in how they call it
            raise


class Guard:
    """ASGI middleware: notes uploads before their sender hears of them, and puts the policy on every answer."""

    def __init__(self, app: Any, uploads: Uploads):
        self.app, self.uploads = app, uploads

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_upload = scope["method"] == "POST" and scope["path"].endswith("/upload")
        status, body = 0, bytearray()

        async def guarded(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["Content-Security-Policy"] = POLICY
            elif is_upload and status == 200:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    self.uploads.note(json.loads(body))
            await send(message)

        await self.app(scope, receive, guarded)
