"""Rows of music to be described: rendered clips, singers and their accompaniment, described recordings, texts alone.

Columns: audio (without path and bytes for a text alone), start_seconds, end_seconds, channel (None: all of them mixed),
captions (people's; empty where they are written from facts), aspects (of texts alone, what the caption is about), facts
(JSON of `MusicFacts`), group, split, licence, clip, source, origin (rendered, voices, sung, named, recordings, text),
evaluation (under which name a test row is reported), over (a voice that is laid over it: its path and channel, and its
level above the rest in dB), copy (0 plain; others are varied in pitch, room and tone).
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset, Features, List, Value

from linernotes.corpora.affect_rows import writings
from linernotes.corpora.manifest import MANIFEST, ManifestError, dataset_of, read_manifest
from linernotes.corpora.music_facts import STYLES, MusicFacts, key_name, rendered_facts, tempo_word
from linernotes.corpora.readers import musicbench, musiccaps
from linernotes.corpora.readers.records import Rows, read_table
from linernotes.corpora.score.score import facts_of as facts_of_row
from linernotes.corpora.splits import SPLIT_NAMES, check_no_leak
from linernotes.modeling.caption_facts import facts_of

TABLE = "metadata.csv"
ROW = Features(
    {
        "audio": {"path": Value("string"), "bytes": Value("binary")},
        "start_seconds": Value("float64"),
        "end_seconds": Value("float64"),
        "channel": Value("int64"),
        "captions": List(Value("string")),
        "aspects": List(Value("string")),
        **dict.fromkeys(
            ("facts", "group", "split", "licence", "clip", "source", "origin", "evaluation"), Value("string")
        ),
        "over": {"path": Value("string"), "channel": Value("int64"), "level_db": Value("float64")},
        "copy": Value("int64"),
    }
)
# Singers of MIR-1K by the median of the fundamental frequency of their voices, in Hz, measured by us on eight clips
# each: nobody states whose voices they are. Under 185 Hz we say male, above 260 Hz female, and nothing in between.
# Kenshin's is 286 Hz and the name a man's: nothing is said.
SINGERS_HZ = {
    "Ani": 235, "Kenshin": None, "abjones": 148, "amy": 267, "annar": 222, "ariel": 320, "bobon": 195, "bug": 178,
    "davidson": 140, "fdps": 229, "geniusturtle": 163, "heycat": 348, "leon": 222, "yifen": 308,
}  # fmt: skip
LOW_VOICE_HZ, HIGH_VOICE_HZ = 185.0, 260.0
EXCERPT_SECONDS = 10.0
ACCOMPANIMENT, SINGING = 0, 1  # MIR-1K's channels
LICENCES = {
    "mir1k": "none stated; distributed for research",
    "music-speech": "none; commercial recordings, for research",
    "gtzan": "none; commercial recordings. Captions CC BY-SA 4.0",
    "musiccaps": "CC BY-SA 4.0",
}


class CaptionRows(NamedTuple):
    """Rows as dicts, and how many records gave none, by reason."""

    rows: list[dict[str, Any]]
    left_out: Counter


def rendered_rows(folder: Path) -> CaptionRows:
    """Rows of a corpus that `linernotes corpus build` made; captions are written from its facts."""
    rows, left_out, manifest = [], Counter(), read_manifest(folder / MANIFEST)
    for row, writing in zip(manifest, writings(manifest, folder), strict=True):
        facts = rendered_facts(facts_of_row(row), writing)
        if not facts.instruments:
            left_out[f"{row['split']}: no instrument that has a name"] += 1
            continue
        clip = f"{folder.name}/{Path(row['audio']['path']).relative_to(folder)}"
        rows.append(row_of(row, facts, clip=clip, source=row.get("source") or "composer", origin="rendered"))
    return CaptionRows(rows, left_out)


def voice_rows(folder: Path, test: Sequence[str] = (), validation: Sequence[str] = (), copies: int = 0) -> CaptionRows:
    """Of each clip of MIR-1K three rows: the song, its accompaniment, its singing; dealt to splits by singer.

    All of it is pop. Only test rows say so: no other recordings at hand sound like karaoke, so that this sound would be
    what pop is learned by.

    Args:
        test, validation: singers that are kept for these; all others are learned from.
        copies: of each row that is learned from, how many varied ones come besides.

    Raises FileNotFoundError without metadata.csv, ValueError for a singer who is not there.
    """
    records = list(read_records(folder, ("file_name", "group")))
    if unknown := sorted({*test, *validation} - {record["group"] for record in records}):
        known = ", ".join(sorted({record["group"] for record in records}))
        raise ValueError(f"{folder} has no singer {unknown[0]!r}; there are {known}")
    rows = []
    for record in records:
        singer = record["group"]
        split = "test" if singer in test else "validation" if singer in validation else "train"
        about = {"group": f"singer {singer}", "split": split, "licence": LICENCES["mir1k"]}
        styles = ("pop",) if split == "test" else None
        parts = {
            "song": (None, MusicFacts(vocals=voice_of(singer), styles=styles)),
            "accompaniment": (ACCOMPANIMENT, MusicFacts(vocals="instrumental", styles=styles)),
            "singing": (SINGING, MusicFacts(vocals=voice_of(singer), instruments=())),
        }
        for part, (channel, facts) in parts.items():
            clip = f"{folder.name}/{record['file_name']} ({part})"
            where = _whole(folder / record["file_name"]) | about
            row = row_of(where, facts, clip=clip, source=folder.name, origin="voices", channel=channel)
            rows += [row | {"copy": copy} for copy in range(1 + copies * (split == "train"))]
    return CaptionRows(rows, Counter())


def voice_of(singer: str) -> str:
    """ "female", "male", or "voice" where nobody knows whose it is."""
    median = SINGERS_HZ.get(singer)
    if median is None or LOW_VOICE_HZ <= median <= HIGH_VOICE_HZ:
        return "voice"
    return "male" if median < LOW_VOICE_HZ else "female"


def gtzan_rows(folder: Path) -> CaptionRows:
    """Test rows of GTZAN's recordings by metadata.csv: genre, key, tempo and, where there is one, a caption."""
    rows = []
    for record in read_records(folder, ("file_name", "label", "group", "tempo_bpm", "key_lerch", "caption")):
        said = stated_facts(record["caption"])
        facts = MusicFacts(
            key=key_name(record["key_lerch"]) if record["key_lerch"] else None,
            tempo=tempo_word(float(record["tempo_bpm"])) if record["tempo_bpm"] else None,
            meter=record.get("meter") or None,
            vocals=said.vocals,
            instruments=said.instruments,
            absent=said.absent,
            styles=(STYLES.get(record["label"], record["label"]),),
            complete=False,
        )
        about = {"group": record["group"] or record["file_name"], "split": "test", "licence": LICENCES["gtzan"]}
        about |= {"captions": [record["caption"]] if record["caption"] else []}
        where = _whole(folder / record["file_name"]) | about
        clip = f"{folder.name}/{record['file_name']}"
        rows.append(row_of(where, facts, clip=clip, source=folder.name, origin="recordings", evaluation="real"))
    return CaptionRows(rows, Counter())


def named_rows(folder: Path) -> CaptionRows:
    """Excerpts of the recordings in metadata.csv whose file names tell a genre; nothing else is known of them.

    The set is GTZAN Music/Speech: a name such as `mingus` or `bartok` says what kind of music is in the file, and who
    named it did so for himself. Raises FileNotFoundError without metadata.csv.
    """
    rows, left_out = [], Counter()
    for record in read_records(folder, ("file_name", "label", "split", "group", "genre_from_name", "seconds")):
        style = STYLES.get(record["genre_from_name"])
        if record["label"] != "music" or style is None:
            left_out["no music, or no style in its name"] += 1
            continue
        audio = {"path": str(folder / record["file_name"]), "bytes": None}
        for start in (EXCERPT_SECONDS * number for number in range(int(float(record["seconds"]) // EXCERPT_SECONDS))):
            where = {"audio": audio, "start_seconds": start, "end_seconds": start + EXCERPT_SECONDS}
            where |= {"group": record["group"], "split": record["split"], "licence": LICENCES["music-speech"]}
            clip = f"{folder.name}/{record['file_name']} at {start:.0f} s"
            rows.append(row_of(where, MusicFacts(styles=(style,)), clip=clip, source=folder.name, origin="named"))
    return CaptionRows(rows, left_out)


def text_rows(folder: Path) -> CaptionRows:
    """MusicCaps' captions without their recordings, from metadata.csv: only the language is learned from them."""
    rows, left_out = [], Counter()
    for record in read_records(folder, ("ytid", "caption", "aspect_list", "split", "group")):
        if record["split"] != "train":
            left_out[f"{record['split']}: kept for the test"] += 1
            continue
        try:
            aspects = [str(aspect) for aspect in ast.literal_eval(record["aspect_list"])]
        except (ValueError, SyntaxError) as error:
            raise ManifestError(
                f"{folder / TABLE}: aspect_list of {record['ytid']} is no list: mend the line"
            ) from error
        where = {"audio": {"path": None, "bytes": None}, "start_seconds": None, "end_seconds": None}
        where |= {"group": f"text {record['ytid']}", "split": "train", "licence": LICENCES["musiccaps"]}
        where |= {"captions": [record["caption"]], "aspects": aspects}
        rows.append(row_of(where, MusicFacts(), clip=record["ytid"], source=folder.name, origin="text"))
    return CaptionRows(rows, left_out)


def musicbench_rows(folder: Path, test_list: str = "A") -> CaptionRows:
    """Rows of MusicBench's recordings with both captions, official split; the key is what its algorithm found."""

    def facts(row: Mapping[str, Any]) -> MusicFacts:
        tempo = tempo_word(row["bpm"]) if row["bpm"] else None
        return stated_facts(row["main_caption"], key=_key_of(row["key"]), tempo=tempo)

    return _described(musicbench.read(folder, test_list), lambda row: [row["main_caption"], row["alt_caption"]], facts)


def musiccaps_rows(folder: Path) -> CaptionRows:
    """Rows of MusicCaps' clips that are there; of their facts only what the captions state is known."""
    return _described(musiccaps.read(folder), lambda row: [row["caption"]], lambda row: stated_facts(row["caption"]))


READERS = {
    "rendered": rendered_rows,
    "voices": voice_rows,
    "named": named_rows,
    "gtzan": gtzan_rows,
    "text": text_rows,
    "musicbench": musicbench_rows,
    "musiccaps": musiccaps_rows,
}


def _described(
    read: Rows, captions: Callable[[Mapping], list[str]], facts: Callable[[Mapping], MusicFacts]
) -> CaptionRows:
    rows = []
    for row in read:
        where = {"audio": {"path": row["path"], "bytes": None}, **row}
        where |= {"captions": [text for text in captions(row) if text]}
        clip = Path(row["path"]).name
        rows.append(row_of(where, facts(row), clip=clip, source=read.name, origin="recordings"))
    return CaptionRows(rows, Counter(read.left_out))


def stated_facts(caption: str, key: str | None = None, tempo: str | None = None) -> MusicFacts:
    """What a person's caption states; it need not name all that is there. `key` and `tempo` go before its own."""
    said = facts_of(caption)
    voices = {"mixed": "voice"}
    return MusicFacts(
        key=key or said.key,
        tempo=tempo or said.tempo,
        meter=said.meter,
        vocals=voices.get(said.vocals, said.vocals),
        instruments=tuple(sorted(said.instruments)) or None,
        absent=tuple(sorted(said.absent)),
        styles=tuple(sorted(said.styles)) or None,
        complete=False,
    )


def _key_of(key: Sequence[str]) -> str | None:
    """MusicBench's [root, mode]."""
    return key_name(" ".join(key)) if len(key) == 2 and all(key) else None


def row_of(row: Mapping[str, Any], facts: MusicFacts, **known: Any) -> dict[str, Any]:
    empty = {
        "channel": None,
        "captions": [],
        "aspects": [],
        "over": None,
        "copy": 0,
        "evaluation": "voices" if known["origin"] == "voices" else "test",
    }
    told = {name: row[name] for name in ROW if name in row}
    return empty | told | {"facts": facts.as_json()} | known


def _whole(path: Path) -> dict[str, Any]:
    return {"audio": {"path": str(path), "bytes": None}, "start_seconds": 0.0, "end_seconds": None}


def read_records(folder: Path, columns: Sequence[str]) -> Iterable[dict[str, str]]:
    if not (folder / TABLE).is_file():
        raise FileNotFoundError(f"{folder / TABLE} is not there: it lists {', '.join(columns)}")
    return (record for _, record in read_table(folder / TABLE, columns))


def as_datasets(rows: Iterable[dict[str, Any]]) -> dict[str, Dataset | None]:
    """Rows by split, None for one that has none. Raises SplitLeakError for a group in two splits."""
    dealt: dict[str, list] = {split: [] for split in SPLIT_NAMES}
    for row in rows:
        dealt[row["split"]].append(row)
    every = [row for part in dealt.values() for row in part]
    check_no_leak((row["group"] for row in every), (row["split"] for row in every))
    return {split: as_dataset(part) for split, part in dealt.items()}


def as_dataset(rows: Sequence[dict[str, Any]]) -> Dataset | None:
    return dataset_of(rows, ROW)
