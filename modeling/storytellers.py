"""The story of a long recording told by a chat model, where one is given: on this machine, or at an endpoint.

Source: SonicVerse has GPT-4 chain the captions of 10 s chunks by one call. Here the request is our own, it has the true
times (the original's chunks all begin at 0) and what was measured besides the captions, and the times of the answer
are held against those of the sections. Only text leaves the machine, and only to the endpoint that is named.
"""

import json
import os
import re
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from .chat import rendered
from .language_models import located
from .stories import clock, merged, opening, told

KEY = "OPENAI_API_KEY"  # the environment variable with the endpoint's key, if it wants one
MAX_TOKENS = 1000  # of a story, as in the original
TIMEOUT_SECONDS = 300
LONGEST_ANSWER = 2**20  # bytes
TIME = re.compile(r"(?<![\d:.])(?:(\d{1,2}):)?(\d{1,2}):(\d{2}(?:\.\d)?)(?![\d:])")
NEAR_SECONDS = 1.0  # within which a time is one that was given
SYSTEM = "You write about music, plainly and exactly."
REQUEST = """\
These are notes on one recording, a line for each stretch of it: from when to when (minutes:seconds), what was \
measured in it, and the caption of a listener who heard that stretch alone.

{notes}

Tell the recording as one flowing description, in the order of time. Say when it changes, with the times above and no \
others. Keep keys, voices, instruments and genres as measured. Leave out a caption that contradicts what was measured, \
or does not fit the stretches around it. Add nothing that is not in the notes. No heading, no list."""
Teller = Callable[[list[dict[str, Any]]], str]


def teller(model: str, endpoint: str | None = None, device: str | torch.device = "cpu") -> Teller:
    """What tells a story of segments (those of `predict(..., long=True)`), always the same of the same.

    Args:
        model: a causal language model with a tokenizer, in a folder, fetched, or on the Hub; with an endpoint, the
            name that it has there.
        endpoint: the address of an OpenAI-compatible service, such as http://localhost:11434/v1.
        device: where a model on this machine computes.

    Raises:
        ValueError: the endpoint is no address of HTTP.
        OSError: there is no such model.
    """
    if endpoint is None:
        return local_teller(model, device)
    if not is_address(endpoint):
        raise ValueError(f"story_endpoint is {endpoint!r}; it must be the address of a service over http(s)")
    return lambda segments: asked(endpoint, model, messages_of(segments))


def messages_of(segments: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The conversation that asks for the story."""
    lines = []
    for part in merged([told(segment) for segment in segments]):
        words = ". ".join(filter(None, (opening(part.facts), part.caption))) or "nothing is sure here"
        lines.append(f"{clock(part.start_seconds)}-{clock(part.end_seconds)}: {words}")
    request = REQUEST.format(notes="\n".join(lines))
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": request}]


def local_teller(name: str, device: str | torch.device) -> Teller:
    source = located(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        speaker = AutoModelForCausalLM.from_pretrained(source, trust_remote_code=False).eval().to(device)
    except (OSError, ValueError) as error:
        raise OSError(
            f"story_model is {name!r}; it must be a causal language model with its tokenizer, in a folder or on the "
            f"Hub, or be left out, and the story is composed: {error}"
        ) from error

    def tell(segments: list[dict[str, Any]]) -> str:
        text = rendered(tokenizer, messages_of(segments), asking=True)
        inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt").to(device)
        size, most = inputs["input_ids"].shape[1], getattr(speaker.config, "max_position_embeddings", None)
        if most is not None and size >= most:
            raise ValueError(f"it reads at most {most} tokens, and the notes have {size}: name one that reads more")
        room = MAX_TOKENS if most is None else min(MAX_TOKENS, most - size)
        with torch.inference_mode():
            said = speaker.generate(**inputs, do_sample=False, max_new_tokens=room)
        return answered(tokenizer.decode(said[0, size:], skip_special_tokens=True))

    return tell


def is_address(endpoint: str) -> bool:
    """Whether it is the address of a service over http(s), its port a number if it has one."""
    try:
        return re.match(r"https?://[^/\s]\S*$", endpoint) is not None and urlsplit(endpoint).port != 0
    except ValueError:  # of a port
        return False


class StayingHandler(HTTPRedirectHandler):
    """Follows no service elsewhere: the text and the key are for the one that was named."""

    def redirect_request(self, *redirect: Any) -> None:
        return None


def asked(endpoint: str, model: str, messages: list[dict[str, str]]) -> str:
    """One call of an OpenAI-compatible service. Raises OSError where it fails, ValueError where it answers no chat."""
    body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": MAX_TOKENS}
    headers = {"Content-Type": "application/json"}
    if os.environ.get(KEY):
        headers["Authorization"] = f"Bearer {os.environ[KEY]}"
    request = Request(f"{endpoint.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers)
    try:
        with build_opener(StayingHandler).open(request, timeout=TIMEOUT_SECONDS) as response:
            text = response.read(LONGEST_ANSWER)
    except HTTPException as error:
        raise OSError(f"{endpoint} does not speak HTTP to the end: {type(error).__name__} {error}") from error
    try:
        return answered(json.loads(text)["choices"][0]["message"]["content"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{endpoint} answers no chat completion: {text[:80]!r}") from error


def answered(text: str) -> str:
    """A story without space around it. Raises ValueError where nothing is said."""
    if not text.strip():
        raise ValueError("it says nothing")
    return text.strip()


def strange_times(story: str, segments: list[dict[str, Any]]) -> list[str]:
    """The times in a story that are neither beginning nor end of a segment."""
    known = {segment[edge] for segment in segments for edge in ("start_seconds", "end_seconds")}
    found = []
    for match in TIME.finditer(story):
        hours, minutes, seconds = int(match[1] or 0), int(match[2]), float(match[3])
        time = 3600 * hours + 60 * minutes + seconds
        if not any(abs(time - each) <= NEAR_SECONDS for each in known):
            found.append(match[0])
    return found
