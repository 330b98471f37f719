"""A small HTTP server that answers as it is told: well, slowly, wrongly or not at all; over loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODELS = {"data": [{"id": "m", "max_model_len": 512}, {"id": "other", "max_model_len": 64}]}


@dataclass(frozen=True)
class Refusal:
    """A status with an error of the usual form."""

    status: int
    message: str = "refused"
    headers: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    param: str | None = None


@dataclass(frozen=True)
class Streamed:
    """Pieces of an answer; `usage` (prompt, completion) and the reason to finish come last, if given."""

    pieces: tuple[str, ...] = ("4", "2")
    reason: str | None = "stop"
    usage: tuple[int, int] | None = (10, 3)
    error: str | None = None


@dataclass(frozen=True)
class Raw:
    """Any body."""

    body: bytes
    kind: str = "application/json"


@dataclass(frozen=True)
class Hang:
    """A few pieces, then silence until the client goes away."""

    pieces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Computed:
    """A JSON answer made from the request's body."""

    answer: Callable[[dict], object]


Act = Refusal | Streamed | Raw | Hang | Computed


@dataclass
class Faulty:
    """What the server was told to do next (`script`, then `after` for ever) and what it saw."""

    script: list[Act] = field(default_factory=list)
    after: Act = field(default_factory=Streamed)
    models: Act = field(default_factory=lambda: Raw(json.dumps(MODELS).encode()))
    bodies: list[dict] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    hanging: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    left: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def next(self) -> Act:
        with self.lock:
            return self.script.pop(0) if self.script else self.after


@contextmanager
def served(faulty: Faulty) -> Iterator[Faulty]:
    """The server on a free port of the loopback interface."""

    class Handler(_Handler):
        state = faulty

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    faulty.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield faulty
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: Faulty

    def do_GET(self) -> None:
        self._act(self.state.models, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.state.lock:
            self.state.bodies.append(body)
            self.state.headers.append({name.lower(): value for name, value in self.headers.items()})
        self._act(self.state.next(), body)

    def _act(self, act: Act, body: dict) -> None:
        chat = "messages" in body
        match act:
            case Refusal():
                error = {"message": act.message, "code": act.code, "param": act.param, "type": "made"}
                self._whole(
                    act.status, json.dumps({"error": error}).encode(), "application/json", act.headers
                )
            case Raw():
                self._whole(200, act.body, act.kind, {})
            case Computed():
                self._whole(200, json.dumps(act.answer(body)).encode(), "application/json", {})
            case Streamed():
                self._stream(act.pieces, chat)
                self._end(act, chat)
            case Hang():
                self._hang(act, chat)
        self.close_connection = True

    def _hang(self, act: Hang, chat: bool) -> None:
        # A client that goes away ends its connection properly, or resets it.
        with suppress(ConnectionError):
            self._stream(act.pieces, chat)
            self.state.hanging.release()
            self.connection.recv(1)
        self.state.left.release()

    def _whole(self, status: int, body: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, pieces: tuple[str, ...], chat: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for piece in pieces:
            self._event({"choices": [{"index": 0, "delta": {"content": piece}} if chat else {"text": piece}]})

    def _end(self, act: Streamed, chat: bool) -> None:
        if act.error is not None:
            self._event({"error": {"message": act.error}})
        if act.reason is not None:
            empty = {"delta": {}} if chat else {"text": ""}
            self._event({"choices": [{"index": 0, "finish_reason": act.reason, **empty}]})
        if act.usage is not None:
            tokens_in, tokens_out = act.usage
            usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out}
            self._event({"choices": [], "usage": usage})

    def _event(self, data: dict) -> None:
        self.wfile.write(b"data: " + json.dumps(data).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Silence: the tests read `bodies` and `headers`."""
