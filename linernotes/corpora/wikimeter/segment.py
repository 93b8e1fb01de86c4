"""Segments of the recordings, by ffmpeg, and the label file that names them.

Source: "MERT LoRA Multi-Label Experiment" (BeatMeter, round 12), 3.2: no first and last ten seconds, at most five
segments of 35 s, none under 15 s, named {artist}_{title}_segNN.mp3. They are spread evenly over the recording.
"""

import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from shutil import which

import soundfile

from linernotes.corpora.wikimeter.catalog import Work
from linernotes.corpora.wikimeter.download import recording_of

AUDIO, TABLE = "audio", "data_wikimeter.tab"
HEADER = "filename\tlabel\tmeter\talt_meter"
MARGIN_SECONDS, SEGMENT_SECONDS, SHORTEST_SECONDS, GAP_SECONDS = 10.0, 35.0, 15.0, 5.0
MOST_SEGMENTS = 5
TIMEOUT_SECONDS = 300
RATE_HZ, BIT_RATE = 44_100, "192k"
WORDS = {3: "three", 4: "four", 5: "five", 7: "seven", 9: "nine", 11: "eleven"}
LOCAL_ONLY = ("-protocol_whitelist", "file,pipe")  # a playlist that poses as a recording reaches nothing else


class SegmentError(ValueError):
    """A recording that cannot be cut; the message has ffmpeg's own words, or what it lasts."""


def segment(
    works: Iterable[Work], folder: Path | str, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[Path, Counter[str]]:
    """Cut the recordings in `folder`/full into `folder`/audio; the label file, and what was left out, by reason.

    Segments that are there stay. The label file has a line for each segment, in the order of works.

    Raises FileNotFoundError where ffmpeg is not installed, and where no recording gave a segment.
    """
    ffmpeg, ffprobe = _program("ffmpeg"), _program("ffprobe")
    works, folder = list(works), Path(folder)
    (folder / AUDIO).mkdir(parents=True, exist_ok=True)
    lines, left_out = [HEADER], Counter()
    for done, work in enumerate(works, start=1):
        if (recording := recording_of(folder, work)) is None:
            left_out["no recording"] += 1
        else:
            try:
                parts = _cut(recording, folder / AUDIO / work.stem, ffmpeg, ffprobe)
                lines += [label_line(part.name, work.meters) for part in parts]
            except SegmentError as error:
                left_out[f"{recording.name}: {error}"] += 1
        progress(done, len(works))
    if len(lines) == 1:
        raise FileNotFoundError(f"no recording in {folder} gave a segment ({dict(left_out)}): download them first")
    table = folder / TABLE
    table.with_suffix(".part").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return table.with_suffix(".part").replace(table), left_out


def excerpts(duration_seconds: float) -> list[tuple[float, float]]:
    """Start and length in seconds of the segments of a recording; none where too little lies between the margins."""
    usable = duration_seconds - 2 * MARGIN_SECONDS
    if usable < SHORTEST_SECONDS:
        return []
    length = min(SEGMENT_SECONDS, usable)
    count = min(MOST_SEGMENTS, max(1, int((usable + GAP_SECONDS) // (SEGMENT_SECONDS + GAP_SECONDS))))
    steps = [i / (count - 1) for i in range(count)] if count > 1 else [0.5]
    return [(MARGIN_SECONDS + (usable - length) * step, length) for step in steps]


def label_line(name: str, meters: Mapping[int, float]) -> str:
    """A line of the label file: the first meter as a word, all with their weights, and twice the first."""
    first = min(meters)
    weighted = any(weight != 1.0 for weight in meters.values())
    stated = ",".join(f"{meter}:{weight:g}" if weighted else str(meter) for meter, weight in sorted(meters.items()))
    return f'"/{name}"\t"{WORDS[first]}"\t{stated}\t{2 * first}'


def _cut(recording: Path, stem: Path, ffmpeg: str, ffprobe: str) -> list[Path]:
    """The segments of a recording as <stem>_segNN.mp3, mono."""
    seconds = _duration_seconds(recording, ffprobe)
    spans = excerpts(seconds)
    if not spans:
        least = SHORTEST_SECONDS + 2 * MARGIN_SECONDS
        raise SegmentError(f"it lasts {seconds:.1f} s, and a recording must last {least:g}")
    return [
        _write(recording, stem.with_name(f"{stem.name}_seg{number:02d}.mp3"), start, length, ffmpeg)
        for number, (start, length) in enumerate(spans)
    ]


def _write(recording: Path, part: Path, start_seconds: float, length_seconds: float, ffmpeg: str) -> Path:
    """Written aside and renamed, so that a segment that is there is whole."""
    if part.is_file():
        return part
    unfinished = part.with_suffix(".part")
    source = ("-ss", f"{start_seconds:.3f}", "-t", f"{length_seconds:.3f}", "-i", f"file:{recording.resolve()}")
    form = ("-map", "a:0", "-ac", "1", "-ar", str(RATE_HZ), "-c:a", "libmp3lame", "-b:a", BIT_RATE, "-f", "mp3")
    _run([ffmpeg, "-nostdin", "-v", "error", "-y", *LOCAL_ONLY, *source, *form, f"file:{unfinished.resolve()}"])
    heard_seconds = _heard_seconds(unfinished)
    if heard_seconds < SHORTEST_SECONDS:  # the header promised more than there is
        unfinished.unlink()
        raise SegmentError(f"of {length_seconds:g} s from {start_seconds:g} s on there are {heard_seconds:.1f}")
    return unfinished.replace(part)


def _heard_seconds(path: Path) -> float:
    try:
        return soundfile.info(path).duration
    except soundfile.LibsndfileError:  # not a single frame was written
        return 0.0


def _duration_seconds(recording: Path, ffprobe: str) -> float:
    wanted = ("-show_entries", "format=duration", "-of", "csv=p=0")
    said = _run([ffprobe, "-v", "error", *LOCAL_ONLY, *wanted, f"file:{recording.resolve()}"]).strip()
    try:
        return float(said)
    except ValueError as error:
        raise SegmentError(f"its header states no duration (ffprobe: {said!r})") from error


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, check=True, timeout=TIMEOUT_SECONDS, stdin=subprocess.DEVNULL
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise SegmentError(f"{Path(command[0]).name}: {lines[-1]}") from error
    except subprocess.TimeoutExpired as error:
        raise SegmentError(f"{Path(command[0]).name} took more than {TIMEOUT_SECONDS} s") from error
    return done.stdout.decode(errors="replace")


def _program(name: str) -> str:
    if (path := which(name)) is None:
        raise FileNotFoundError(f"{name} is not installed: install ffmpeg, which brings ffmpeg and ffprobe")
    return path
