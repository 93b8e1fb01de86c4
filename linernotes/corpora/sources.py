"""Where the public data sets come from that the readers read: what to download, how large, under which licence.

A table, without a network: nothing here fetches anything. Sizes and licences are those that the named page states; what
no page states is said to be so. The licence of a set is rarely that of its recordings: both are told.
"""

from dataclasses import dataclass

NOT_VERIFIED = "size not verified"


@dataclass(frozen=True)
class Source:
    """A public data set. `download` names what must lie in one folder; `hub_id` is what `load_dataset` can read."""

    name: str
    title: str
    labels: str
    download: tuple[str, ...]
    page: str
    hub_id: str | None
    size: str
    licence: str
    citation: str


def told(source: Source) -> str:
    """The set as a block of lines, nothing of it cut."""
    lines = {
        "labels": source.labels,
        "files": "; ".join(source.download),
        "from": source.page,
        "on the Hub": source.hub_id or "-",
        "size": source.size,
        "licence": source.licence,
        "cite": source.citation,
    }
    return "\n".join([f"{source.name}: {source.title}", *(f"  {key + ':':<12}{text}" for key, text in lines.items())])


SOURCES = {
    source.name: source
    for source in (
        Source(
            name="gtzan",
            title="GTZAN genre collection",
            labels="genre: 10, one a clip",
            download=("genres/<genre>/*.wav or .au", "train_filtered.txt", "valid_filtered.txt", "test_filtered.txt"),
            page="https://huggingface.co/datasets/marsyas/gtzan (data/genres.tar.gz); the lists: "
            "https://github.com/jordipons/sklearn-audio-transfer-learning (data/index/GTZAN)",
            hub_id="confit/gtzan-parquet",
            size="1.23 GB",
            licence="none stated: commercial recordings, for research only",
            citation="Tzanetakis & Cook 2002, IEEE Trans. Speech and Audio Processing 10(5); lists: Kereliuk, Sturm & "
            "Larsen 2015, arXiv:1507.04761; faults: Sturm 2013, arXiv:1306.1461",
        ),
        Source(
            name="nsynth",
            title="NSynth",
            labels="instrument family: 11; source, qualities, pitch, velocity",
            download=("nsynth-train.jsonwav.tar.gz", "nsynth-valid.jsonwav.tar.gz", "nsynth-test.jsonwav.tar.gz"),
            page="https://magenta.tensorflow.org/datasets/nsynth",
            hub_id=None,
            size="25.2 GB",
            licence="CC BY 4.0",
            citation="Engel et al. 2017, arXiv:1704.01279",
        ),
        Source(
            name="gtzan-music-speech",
            title="GTZAN Music/Speech",
            labels="music or speech",
            download=("music_wav/*.wav", "speech_wav/*.wav"),
            page="https://github.com/samdevo/music-speech-classification (data); the collector's own links are dead",
            hub_id=None,
            size=f"128 files of 30 s, {NOT_VERIFIED}",
            licence="none stated: collected from CDs and radio, for research only",
            citation="Tzanetakis & Cook 1999-2001, MARSYAS data sets",
        ),
        Source(
            name="musiccaps",
            title="MusicCaps",
            labels="caption and aspects, written by musicians",
            download=("musiccaps-public.csv", "<ytid>.wav of the clips that you have"),
            page="https://huggingface.co/datasets/google/MusicCaps",
            hub_id="google/MusicCaps",
            size="5,521 captions, no audio in it",
            licence="captions CC BY-SA 4.0; recordings (YouTube): none stated",
            citation="Agostinelli et al. 2023, arXiv:2301.11325",
        ),
        Source(
            name="musicbench",
            title="MusicBench",
            labels="captions by a language model; beats, chords, key, tempo by algorithms",
            download=(
                "MusicBench_train.json",
                "MusicBench_test_A.json",
                "MusicBench_test_B.json",
                "MusicBench.tar.gz, unpacked",
            ),
            page="https://huggingface.co/datasets/amaai-lab/MusicBench",
            hub_id="amaai-lab/MusicBench",
            size="16.8 GB of audio, 87 MB of JSON",
            licence="CC BY-SA 3.0; recordings (YouTube): none stated",
            citation="Melechovsky et al. 2024, Mustango, NAACL, arXiv:2311.08355",
        ),
        Source(
            name="neural-mathrock",
            title="Neural Math Rock",
            labels="emotion: 28, one a chunk; MBTI: 16; vibe, intensity, tempo",
            download=("the repository: README.md, *.parquet",),
            page="https://huggingface.co/datasets/anggars/neural-mathrock",
            hub_id="anggars/neural-mathrock",
            size=NOT_VERIFIED,
            licence="CC BY 4.0 as its card states; recordings: none stated",
            citation="anggars, Neural Math Rock, Hugging Face",
        ),
        Source(
            name="audioset",
            title="AudioSet",
            labels="sound classes: 527, several a segment, of them the music classes of the ontology",
            download=(
                "balanced_train_segments.csv",
                "eval_segments.csv",
                "class_labels_indices.csv",
                "ontology.json",
                "<ytid>.wav of the segments that you have",
            ),
            page="https://research.google.com/audioset/download.html; ontology: https://github.com/audioset/ontology",
            hub_id="agkphysics/AudioSet",
            size="no audio in it; on the Hub 49.8 GB (balanced), 2.4 TB (unbalanced)",
            licence="labels CC BY 4.0, ontology CC BY-SA 4.0; recordings (YouTube): none stated",
            citation="Gemmeke et al. 2017, Audio Set, ICASSP",
        ),
        Source(
            name="mtg-jamendo",
            title="MTG-Jamendo",
            labels="tags by uploaders: 87 genres, 40 instruments, 56 moods and themes",
            download=("data/splits/split-0/autotagging*-*.tsv", "audio_licenses.txt", "audio/<NN>/<track>.mp3"),
            page="https://github.com/MTG/mtg-jamendo-dataset",
            hub_id=None,
            size="508 GB (mood and theme only: 152 GB)",
            licence="tags CC BY-NC-SA 4.0; recordings Creative Commons, each its own (audio_licenses.txt)",
            citation="Bogdanov et al. 2019, ICML Machine Learning for Music Discovery Workshop",
        ),
        Source(
            name="meter2800",
            title="METER2800",
            labels="meter: 3, 4, 5 or 7, one a recording",
            download=(
                "data_train_4_classes, data_val_4_classes and data_test_4_classes as .tab, .csv or .tsv",
                "FMA.tar.gz, MAG.tar.gz and OWN.tar.gz, unpacked",
                "GTZAN's recordings, from elsewhere",
            ),
            page="https://doi.org/10.7910/DVN/0CLXBQ",
            hub_id=None,
            size=f"0.87 GB without GTZAN, {NOT_VERIFIED}",
            licence="labels: see its page; recordings: those of FMA each its own, of the others none stated",
            citation="Abimbola, Kostrzewa & Kasprowski 2023, Data in Brief; 2024, EURASIP J. Audio, Speech, and Music "
            "Processing, s13636-024-00346-6",
        ),
        Source(
            name="wikimeter",
            title="WIKIMETER",
            labels="meter: 3, 4, 5, 7, 9, 11, several of a polyrhythm",
            download=("data_wikimeter.tab", "audio/<artist>_<title>_seg<NN>.mp3"),
            page="https://www.youtube.com by `linernotes corpus wikimeter download` and `segment`",
            hub_id=None,
            size=f"302 works, of each at most 5 segments of 35 s, {NOT_VERIFIED}",
            licence="catalog Apache-2.0; recordings (YouTube): none stated",
            citation="after BeatMeter, https://github.com/jasisz/beatmeter, 2026; the works are ours",
        ),
    )
}
