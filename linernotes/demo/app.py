"""The web page: drop or record a song, see its report grow model by model, play along, take the JSON home.

It asks nobody but its own server: no analytics, no share link, no fonts or scripts from elsewhere, whatever gradio's
defaults and variables say. A visitor's file is removed when it was read, and the decoded sound when it was heard.
"""

import errno
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from inspect import signature
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr
from markupsafe import escape
from starlette.middleware import Middleware

import linernotes
from linernotes.demo import Limits
from linernotes.demo.hearing import complaint, views
from linernotes.demo.uploads import FORGOTTEN_AFTER_SECONDS, Guard, Uploads
from linernotes.listening import Listener
from linernotes.report.html import html_style

EXAMPLE = Path(linernotes.__file__).parent / "assets" / "morning_mood.ogg"
MAX_WAITING = 20  # visitors; more are told to come back
SWEEP_SECONDS = (600, round(FORGOTTEN_AFTER_SECONDS))  # how often, and from what age uploads are swept away
PLAYER = '<div id="linernotes-player" hidden><audio controls preload="auto"></audio></div>'
ABOUT_ALL = (
    "<p>What the sleeve of a record says about the music, read from the audio: drop a recording or make one, and each "
    "model adds what it hears. Press a stretch of the timeline to play from there.</p>"
)
NOTHING = "there is no recording yet: drop a file, record one, or take the example"
FONTS = {"font": ["system-ui", "DejaVu Sans", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
COLOURS = {
    "body_background_fill": "#fbfaf7", "body_background_fill_dark": "#16161a",
    "body_text_color": "#1d1d1f", "body_text_color_dark": "#ececf0",
    "body_text_color_subdued": "#666666", "body_text_color_subdued_dark": "#a0a0aa",
    "block_background_fill": "#ffffff", "block_background_fill_dark": "#1f1f25",
    "border_color_primary": "#e2dfd8", "border_color_primary_dark": "#34343c",
    "button_primary_background_fill": "#0072b2", "button_primary_background_fill_dark": "#0072b2",
    "button_primary_background_fill_hover": "#005a8e", "button_primary_background_fill_hover_dark": "#0a84c9",
    "button_primary_text_color": "#ffffff", "button_primary_text_color_dark": "#ffffff",
}  # fmt: skip

# what gradio would otherwise offer, look up or remember
ALONE = {
    "share": False, "inbrowser": False, "ssr_mode": False, "pwa": False, "mcp_server": False, "run_history": False,
    "enable_monitoring": False, "footer_links": [],
}  # fmt: skip


@contextmanager
def running(
    models: Sequence[str | PathLike[str]] | None = None,
    *,
    single: bool = False,
    limits: Limits = Limits(),  # noqa: B008
    device: str | None = None,
    host: str | None = None,
    port: int | None = None,
) -> Iterator[str]:
    """The page on a server of its own while the block runs; gives its address.

    Args:
        models: as `linernotes.listen` takes them.
        single: the page is about this one model.
        limits: on what a visitor uploads.
        device: where the models compute.
        host: whose connections are taken: 127.0.0.1 by default, or GRADIO_SERVER_NAME; 0.0.0.0 for everybody's.
        port: by default GRADIO_SERVER_PORT, or the first that is free from 7860 on.

    Raises:
        ValueError: there is no such model or device, or a model that answers none of the report's questions.
        OSError: the port is taken.
    """
    if port is not None:
        _check_port(port)
    listener = Listener(models, device=device)
    # who is being heard when the page closes may still write into the folder
    place = TemporaryDirectory(prefix="linernotes-page-", ignore_cleanup_errors=True)
    with place as folder, _uploading_to(folder):
        uploads = Uploads(folder)
        page = build(listener, uploads, limits, single=single)
        gr.set_static_paths([EXAMPLE])  # served from where it lies, and never taken for an upload
        _, address, _ = page.queue(max_size=MAX_WAITING).launch(
            server_name=host,
            server_port=port,
            max_file_size=round(limits.max_megabytes * 2**20),
            app_kwargs={"middleware": [Middleware(Guard, uploads=uploads)]},
            theme=gr.themes.Base(**FONTS).set(**COLOURS),
            css=html_style() + _asset("page.css"),
            head=f"<script>{_asset('page.js')}</script>",
            prevent_thread_lock=True,
            quiet=True,
            **ALONE,
        )
        try:
            yield address
        finally:
            page.close(verbose=False)


def _check_port(port: int) -> None:
    """As gradio looks, which does so when the models are loaded, and then tells of variables of its own."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            found = "taken" if error.errno == errno.EADDRINUSE else f"not to be had ({error.strerror})"
            raise OSError(
                f"port {port} is {found}: name another --port, or leave it out for the first that is free"
            ) from error


def serve(models: Sequence[str | PathLike[str]] | None = None, **options: Any) -> None:
    """As `running`, until the process is interrupted; prints the address."""
    with running(models, **options) as address:
        print(address, flush=True)
        threading.Event().wait()


def build(listener: Listener, uploads: Uploads, limits: Limits, *, single: bool = False) -> gr.Blocks:
    """The page itself. One recording is heard at a time; whoever comes meanwhile waits in a line."""

    with gr.Blocks(title=_title(listener, single), analytics_enabled=False, delete_cache=SWEEP_SECONDS) as page:
        gr.HTML(_heading(listener, limits, single), elem_id="heading", apply_default_css=False)
        recording = gr.Audio(
            sources=["upload", "microphone"],
            type="filepath",
            label="A recording",
            editable=False,
            buttons=[],  # none that shares it
            elem_id="recording",
        )
        timeline, lyrics = _options(listener)
        with gr.Row():
            listen = gr.Button("Listen", variant="primary", elem_id="listen")
            example = gr.Button("Take the example (Grieg, Morning Mood)", elem_id="example")
        status = gr.HTML(elem_id="status", apply_default_css=False)
        gr.HTML(PLAYER, elem_id="player", apply_default_css=False)
        notes = gr.HTML(elem_id="notes", apply_default_css=False)
        with gr.Column(visible=False) as results:
            save = gr.Button("Download the JSON", elem_id="save")
            with gr.Accordion("The report as JSON", open=False):
                # as text: clients take any object with a "path" for a file, which they fetch
                report = gr.Code(language="json", show_label=False, interactive=False, buttons=["copy"])
        listen.click(
            _hearing(listener, uploads, limits),
            [recording, timeline, lyrics],
            [recording, status, notes, report, results],
            js="async (recording, ...more) => { await linernotes.keep(recording); return [recording, ...more]; }",
            show_progress="hidden",
            concurrency_limit=1,
            api_name="listen",
        )
        example.click(lambda: str(EXAMPLE), outputs=recording, api_visibility="private")
        save.click(None, report, js="(report) => linernotes.save(report)", api_visibility="private")
    return page


def _hearing(listener: Listener, uploads: Uploads, limits: Limits) -> Callable[..., Iterator[tuple]]:
    where = {"max_seconds": limits.max_seconds, "folder": uploads.folder}

    def hear(file: str | None, timeline: bool, lyrics: str | None) -> Iterator[tuple]:
        """After each model: no file any more, what goes on, the notes, the JSON, whether that shows."""
        if file is None:
            yield None, complaint(NOTHING), "", "", gr.update(visible=False)
            return
        asked = {"timeline": timeline, "lyrics": (lyrics or "").strip() or None}
        for view in views(listener, lambda: uploads.take(file), **where, **asked):
            text = "" if view.report is None else json.dumps(view.report, indent=1, allow_nan=False)
            yield None, view.status, view.notes, text, gr.update(visible=bool(text))

    return hear


def _options(listener: Listener) -> tuple[gr.Checkbox, gr.Textbox]:
    """What can be asked for besides, as far as the models can do it."""
    known = [(member.model, signature(member.model.predict).parameters) for member in listener.members]
    captions = any("long" in taken for _, taken in known)
    reads = any("lyrics" in taken and model.config.text_config is not None for model, taken in known)
    what = "Also what is heard window by window (in the JSON)" + (", and a caption of every part" if captions else "")
    timeline = gr.Checkbox(label=what, elem_id="timeline")
    lyrics = gr.Textbox(label="The words that are sung, for the model that reads", lines=3, visible=reads)
    return timeline, lyrics


def _title(listener: Listener, single: bool) -> str:
    return str(listener.members[0].model.config.model_name) if single else "linernotes"


def _heading(listener: Listener, limits: Limits, single: bool) -> str:
    models = [str(member.model.config.model_name) for member in listener.members]
    about = f"<p>One model of linernotes, a {escape(listener.members[0].model.config.model_type)}.</p>"
    lines = [f"<h1>{escape(_title(listener, single))}</h1>", about if single else ABOUT_ALL]
    for model in (member.model for member in listener.members):
        if hasattr(model, "how_to_get_words") and model.language_model is None:
            how = model.how_to_get_words()
            lines.append(f"<p>Captions need its language model, which is not here: {escape(how)}.</p>")
    length = f"{limits.max_seconds:g} seconds" if limits.max_seconds < 120 else f"{limits.max_seconds / 60:.3g} minutes"
    allowed = f"Up to {length} and {limits.max_megabytes:g} MB. No file is kept."
    listening = "" if single else f" Listening: {', '.join(models)}."
    return "".join([*lines, f"<p>{escape(allowed + listening)}</p>"])


def _asset(name: str) -> str:
    return files("linernotes.demo").joinpath(name).read_text(encoding="utf-8")


@contextmanager
def _uploading_to(folder: str) -> Iterator[None]:
    """gradio writes uploads into the folder that this variable names."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = folder
    try:
        yield
    finally:
        os.environ.pop("GRADIO_TEMP_DIR")
        if before is not None:
            os.environ["GRADIO_TEMP_DIR"] = before
