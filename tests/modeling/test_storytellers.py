"""Stories by a chat model: what it is asked, a service of OpenAI's protocol, and a small Llama on this machine."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch
from published_sonicverse import RATE, noise, text_config, tiny_tokenizer
from small_sonicverse import made_of, make
from transformers import LlamaForCausalLM

from linernotes.modeling.storytellers import messages_of, strange_times, teller


def segment(start: float, end: float, caption: str, key: str, *instruments: str) -> dict:
    return {
        "start_seconds": start,
        "end_seconds": end,
        "caption": caption,
        "key": {"label": key, "confidence": 0.9},
        "instruments": {"labels": list(instruments)},
    }


SEGMENTS = [
    segment(0.0, 61.5, "A calm tune.", "A minor", "piano"),
    segment(61.5, 90.0, "Drums set in.", "A minor", "piano", "drums"),
]


class Service:
    """A service on this machine that answers every chat by `answer`, with `status`, and remembers what it was sent."""

    def __init__(self):
        self.requests, self.status, self.headers, self.cut = [], 200, {}, False
        self.answer = json.dumps(
            {"choices": [{"message": {"role": "assistant", "content": " At 1:01.5 drums enter.\n"}}]}
        )
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.requests.append((self.path, dict(self.headers), body))
                if service.cut:
                    self.wfile.write(b"nonsense\r\n\r\n")
                    return
                self.send_response(service.status)
                for name, value in service.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(service.answer.encode())

            def do_GET(self):
                service.requests.append((self.path, dict(self.headers), None))

            def log_message(self, *arguments):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def service(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found = Service()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    torch.manual_seed(7)
    LlamaForCausalLM(text_config(max_position_embeddings=512)).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def test_the_request_has_true_times_facts_and_captions():
    system, user = messages_of(SEGMENTS)
    assert (system["role"], user["role"]) == ("system", "user")
    assert "\n0:00-1:01.5: music in A minor with piano. A calm tune.\n" in user["content"]
    assert "\n1:01.5-1:30: music in A minor with drums and piano. Drums set in.\n" in user["content"]


def test_neighbours_of_which_the_same_is_known_are_one_line():
    again = [SEGMENTS[0], {**SEGMENTS[0], "start_seconds": 61.5, "end_seconds": 70.0}]
    assert "\n0:00-1:10: music in A minor with piano. A calm tune.\n" in messages_of(again)[1]["content"]


def test_a_service_is_asked_once_at_temperature_0(service, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert teller("gpt-x", service.address)(SEGMENTS) == "At 1:01.5 drums enter."
    ((path, headers, body),) = service.requests
    assert path == "/v1/chat/completions"
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("gpt-x", 0, 1000)
    assert body["messages"] == messages_of(SEGMENTS)
    assert "Authorization" not in headers
    assert "hf_secret" not in str(service.requests)


def test_a_key_goes_to_the_service_that_is_named(service, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    teller("gpt-x", f"{service.address}/")(SEGMENTS)
    assert service.requests[0][0] == "/v1/chat/completions"
    assert service.requests[0][1]["Authorization"] == "Bearer sk-1"


@pytest.mark.parametrize("status", [301, 302, 307])
def test_neither_key_nor_text_follows_a_service_elsewhere(service, monkeypatch, status):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    service.status, service.headers = status, {"Location": f"{service.address}/elsewhere"}
    with pytest.raises(OSError, match=str(status)):
        teller("gpt-x", service.address)(SEGMENTS)
    assert [path for path, *_ in service.requests] == ["/v1/chat/completions"]


def test_a_service_that_speaks_no_http_is_an_error_as_any_other(service):
    service.cut = True
    with pytest.raises(OSError, match="does not speak HTTP to the end: BadStatusLine"):
        teller("gpt-x", service.address)(SEGMENTS)


@pytest.mark.parametrize(
    ("status", "answer", "error", "message"),
    [
        (401, "{}", OSError, "401"),
        (200, "<html>", ValueError, r"answers no chat completion: b'<html>'"),
        (200, '{"choices": []}', ValueError, "answers no chat completion"),
        (200, '{"choices": [{"message": {"content": null}}]}', ValueError, "answers no chat completion"),
        (200, '{"choices": [{"message": {"content": " "}}]}', ValueError, "answers no chat completion"),
    ],
)
def test_a_service_that_does_not_answer_is_an_error(service, status, answer, error, message):
    service.status, service.answer = status, answer
    with pytest.raises(error, match=message):
        teller("gpt-x", service.address)(SEGMENTS)


@pytest.mark.parametrize(
    "endpoint", ["file:///etc/passwd", "localhost:8000", "http://", "http://exa mple/v1", "http://localhost:abc/v1"]
)
def test_what_is_no_service_is_refused(endpoint):
    with pytest.raises(ValueError, match=r"story_endpoint is .*; it must be the address of a service over http"):
        teller("gpt-x", endpoint)


def test_a_model_on_this_machine_tells_the_same_again(llama):
    tell = teller(str(llama))
    assert tell(SEGMENTS) == tell(SEGMENTS)
    assert set(tell(SEGMENTS).split()) <= set(tiny_tokenizer().get_vocab())


def test_a_model_on_this_machine_says_what_it_cannot_read(llama):
    many = [segment(10.0 * n, 10.0 * n + 10, "A tune.", f"{n} minor") for n in range(90)]
    with pytest.raises(
        ValueError, match=r"it reads at most 512 tokens, and the notes have \d+: name one that reads mo"
    ):
        teller(str(llama))(many)


def test_times_that_nobody_heard_are_found():
    story = "From 0:00 a tune; at 1:02 drums, at 1:15 a solo; it ends at 1:30 (ratio 3:10:44, 12:30:15)."
    assert strange_times(story, SEGMENTS) == ["1:15", "3:10:44", "12:30:15"]


# In predict


def test_predict_has_the_story_told(service):
    model = make()
    service.answer = service.answer.replace("1:01.5", "0:12")
    asking = {"sampling_rate": RATE, "long": True, "story_model": "gpt-x", "story_endpoint": service.address}
    answer = model.predict(made_of(12.2, 13.0), **asking)
    assert answer["story"] == "At 0:12 drums enter."
    assert answer["warnings"] == []
    assert service.requests[0][2]["messages"] == messages_of(answer["segments"])
    service.answer = service.answer.replace("0:12", "0:19")
    answer = model.predict(made_of(12.2, 13.0), **asking)
    assert answer["warnings"] == ["the story names 0:19, where no section begins or ends"]


def test_where_nobody_tells_the_story_it_is_composed(service):
    model, samples = make(), noise(8.0)
    composed = model.predict(samples, sampling_rate=RATE, long=True)
    service.status = 500
    asking = {"sampling_rate": RATE, "long": True, "story_model": "gpt-x", "story_endpoint": service.address}
    answer = model.predict(samples, **asking)
    assert answer["story"] == composed["story"]
    assert answer["warnings"][0].startswith("the story is composed, gpt-x told none: HTTP Error 500")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"story_model": "x"}, "story_model tells the story of a long recording: ask for it with long=True"),
        ({"story_endpoint": "http://x", "long": True}, "story_endpoint is where a model is asked: name one of its mod"),
    ],
)
def test_a_teller_without_a_story_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make().predict(noise(2.0), sampling_rate=RATE, **options)
