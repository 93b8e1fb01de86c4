"""A stand-in for the Hub that fails on demand: in memory, on this machine only, enough for publishing and loading.

    with LocalHub() as hub:
        HfApi(endpoint=hub.endpoint, token=hub.token).create_repo("me/name")
        hub.faults.append(CutAfter(match="POST .*/commit/"))  # the next commit is made, but its answer never comes

To rehearse an upload by hand: `python tests/support/local_hub.py [PORT]`. What is uploaded is gone when it stops.
"""

import argparse
import re
import signal
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from hub_protocol import Answer, RefusedError, Request
from hub_routes import act
from hub_state import HubState

NOT_COUNTED = "/api/agent-harnesses"  # a client process asks for it once at most, which would shift every number


# What can go wrong


@dataclass(kw_only=True)
class Fault:
    """Something that goes wrong at every call that fits.

    Args:
        at: the number of the one call, from 1, counted over all requests as `LocalHub.calls` does.
        match: a regular expression that is looked for in "METHOD /path".
        times: how many calls it strikes at most.
    """

    at: int | None = None
    match: str = ""
    times: int | None = None

    def strikes(self, number: int, call: tuple[str, str]) -> bool:
        if self.times == 0 or self.at not in (None, number) or not re.search(self.match, " ".join(call)):
            return False
        if self.times is not None:
            self.times -= 1
        return True

    def before(self, hub: "LocalHub", request: Request) -> Answer | None:
        """Before the request is acted on; an answer means that it never is."""

    def after(self, request: Request, answer: Answer) -> Answer:
        """After it was acted on: what is sent."""
        return answer


class CutBefore(Fault):
    """The connection is cut; nothing was done."""

    def before(self, hub: "LocalHub", request: Request) -> Answer:
        return Answer(sent="nothing")


class CutAfter(Fault):
    """What was asked is done, then the connection is cut: the answer is lost."""

    def after(self, request: Request, answer: Answer) -> Answer:
        return replace(answer, sent="nothing")


@dataclass
class Status(Fault):
    """An answer with this status code.

    Args:
        status: the code; 429 comes with `Retry-After: 0`.
        acted: what was asked is done all the same, as behind a gateway that gave up waiting.
        echo: the text of the error repeats the Authorization header that came with the request.
    """

    status: int
    acted: bool = False
    echo: bool = False

    def before(self, hub: "LocalHub", request: Request) -> Answer | None:
        return None if self.acted else self.error(request)

    def after(self, request: Request, answer: Answer) -> Answer:
        return self.error(request)

    def error(self, request: Request) -> Answer:
        text = f"the request had {request.headers.get('Authorization', 'no token')}" if self.echo else ""
        answer = RefusedError(self.status, text).answer
        return replace(answer, headers=answer.headers | ({"Retry-After": "0"} if self.status == 429 else {}))


@dataclass(kw_only=True)
class MovedBranch(Fault):
    """Just before a commit is made, somebody else's commit of `files` lands on its branch."""

    match: str = "POST .*/commit/"
    files: dict[str, bytes] = field(default_factory=lambda: {"elsewhere.txt": b"written by somebody else\n"})

    def before(self, hub: "LocalHub", request: Request) -> None:
        kind, repo_id, branch = re.fullmatch(r"/api/(\w+)s/([^/]+/[^/]+)/commit/(.+)", request.call[1]).groups()
        hub.commit(repo_id, self.files, branch, kind)


@dataclass(kw_only=True)
class Truncated(Fault):
    """Half of the bytes that were announced are sent, then the connection is cut."""

    match: str = "GET .*/resolve/"

    def after(self, request: Request, answer: Answer) -> Answer:
        return replace(answer, sent="half")


# The server


class LocalHub(HubState):
    """The Hub on a free port, or on the given one, as a context manager; its other arguments are those of HubState.

    Attributes:
        endpoint: what HF_ENDPOINT is to be.
        calls: method and path of every request since the start, in order; clear it to count anew.
        faults: what goes wrong; all that strike a call act on it, in this order.
    """

    def __init__(self, port: int = 0, **state):
        super().__init__(**state)
        self.calls: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.server = Server(port, self)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "LocalHub":
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_exception) -> None:
        self.server.stop()
        if self.server.errors:
            raise ExceptionGroup("the local Hub itself went wrong", self.server.errors)

    def answer(self, request: Request) -> Answer:
        """Count the request, act on it and let it go wrong; the answer is sent by the caller, without the lock."""
        if request.path == NOT_COUNTED:
            return RefusedError(404).answer
        with self.lock:
            self.calls.append(request.call)
            struck = [fault for fault in self.faults if fault.strikes(len(self.calls), request.call)]
            for fault in struck:
                if (early := fault.before(self, request)) is not None:
                    return early
            answer = act(self, request)
            for fault in struck:
                answer = fault.after(request, answer)
            return answer


class Server(ThreadingHTTPServer):
    """Keeps its connections, so that nothing answers any more once it has stopped."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, hub: LocalHub):
        super().__init__(("127.0.0.1", port), Handler)
        self.hub = hub
        self.connections: set[socket.socket] = set()
        self.errors: list[Exception] = []

    def process_request(self, request, client_address) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address) -> None:
        """A client may leave at any time; everything else is a mistake in here and must not pass for a cut."""
        if not isinstance(error := sys.exception(), ConnectionError):
            self.errors.append(error)

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One connection: reads requests, hands them to the hub, sends its answers or as much of them as it may."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_words) -> None:
        pass

    def serve(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        answer = self.server.hub.answer(Request(self.command, url.path, query, self.headers, self.body()))
        if answer.sent != "all":
            self.close_connection = True
        if answer.sent != "nothing":
            self.send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve  # noqa: N815

    def send(self, answer: Answer) -> None:
        content = answer.content
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.content_type, "Content-Length": len(content)}.items():
            self.send_header(name, str(value))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if answer.sent == "all" else content[: len(content) // 2])

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.exactly(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.line().split(b";")[0], 16):
            parts.append(self.exactly(size))
            self.line()
        self.line()
        return b"".join(parts)

    def line(self) -> bytes:
        if not (line := self.rfile.readline()):
            raise ConnectionAbortedError("the client left in the middle of a request")
        return line

    def exactly(self, size: int) -> bytes:
        if len(data := self.rfile.read(size)) < size:
            raise ConnectionAbortedError("the client left in the middle of a request")
        return data


def main() -> None:
    parser = argparse.ArgumentParser(description="Run a local Hub until Ctrl-C, to rehearse an upload with.")
    parser.add_argument("port", type=int, nargs="?", default=8765, help="0 takes any that is free (default: 8765)")
    parser.add_argument("--user", default="me", help="the user whose repositories may be written (default: me)")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells switch off for what they start with &
    with LocalHub(options.port, user=options.user) as hub, suppress(KeyboardInterrupt):
        variables = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": hub.token, "HF_HUB_DISABLE_XET": "1"}
        print("\n".join(f"export {name}={value}" for name, value in variables.items()), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
