"""Labels of SonicVerse's five tasks, as classes of its heads.

Instruments, moods and genres are those of MTG-Jamendo (Bogdanov et al. 2019, "The MTG-Jamendo dataset for automatic
music tagging", https://github.com/MTG/mtg-jamendo-dataset), in alphabetical order: 40, 56 and 87. The original does not
publish its lists; these are the ones whose lengths are those of its heads.
"""

INSTRUMENTS = (
    "accordion", "acousticbassguitar", "acousticguitar", "bass", "beat", "bell", "bongo", "brass", "cello",
    "clarinet", "classicalguitar", "computer", "doublebass", "drummachine", "drums", "electricguitar",
    "electricpiano", "flute", "guitar", "harmonica", "harp", "horn", "keyboard", "oboe", "orchestra", "organ",
    "pad", "percussion", "piano", "pipeorgan", "rhodes", "sampler", "saxophone", "strings", "synthesizer",
    "trombone", "trumpet", "viola", "violin", "voice",
)  # fmt: skip
MOODS = (
    "action", "adventure", "advertising", "background", "ballad", "calm", "children", "christmas", "commercial",
    "cool", "corporate", "dark", "deep", "documentary", "drama", "dramatic", "dream", "emotional", "energetic",
    "epic", "fast", "film", "fun", "funny", "game", "groovy", "happy", "heavy", "holiday", "hopeful", "inspiring",
    "love", "meditative", "melancholic", "melodic", "motivational", "movie", "nature", "party", "positive",
    "powerful", "relaxing", "retro", "romantic", "sad", "sexy", "slow", "soft", "soundscape", "space", "sport",
    "summer", "trailer", "travel", "upbeat", "uplifting",
)  # fmt: skip
GENRES = (
    "60s", "70s", "80s", "90s", "acidjazz", "alternative", "alternativerock", "ambient", "atmospheric", "blues",
    "bluesrock", "bossanova", "breakbeat", "celtic", "chanson", "chillout", "choir", "classical", "classicrock",
    "club", "contemporary", "country", "dance", "darkambient", "darkwave", "deephouse", "disco", "downtempo",
    "drumnbass", "dub", "dubstep", "easylistening", "edm", "electronic", "electronica", "electropop", "ethno",
    "eurodance", "experimental", "folk", "funk", "fusion", "groove", "grunge", "hard", "hardrock", "hiphop",
    "house", "idm", "improvisation", "indie", "industrial", "instrumentalpop", "instrumentalrock", "jazz",
    "jazzfusion", "latin", "lounge", "medieval", "metal", "minimal", "newage", "newwave", "orchestral", "pop",
    "popfolk", "poprock", "postrock", "progressive", "psychedelic", "punkrock", "rap", "reggae", "rnb", "rock",
    "rocknroll", "singersongwriter", "soul", "soundtrack", "swing", "symphonic", "synthpop", "techno", "trance",
    "triphop", "world", "worldfusion",
)  # fmt: skip
TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
KEYS = tuple(f"{tonic} {mode}" for mode in ("major", "minor") for tonic in TONICS)
VOCALS = ("instrumental", "female", "male")

ANSWER_KEYS = {  # a task of the original, and what `predict` calls its answer
    "instrument_detection": "instruments",
    "mood_detection": "moods",
    "genre_detection": "genres",
    "key_detection": "key",
    "vocals_detection": "vocals",
}
EXCLUSIVE = ("key_detection", "vocals_detection")  # one of their classes holds; of the others any number
CLASSES = dict(zip(ANSWER_KEYS, (INSTRUMENTS, MOODS, GENRES, KEYS, VOCALS), strict=True))


def default_tasks() -> dict[str, dict]:
    """The original's tasks.json: 40, 56, 87, 24 and 3 classes, each loss weighing 0.1, every head learning."""
    return {
        name: {"classes": list(classes), "weight": 0.1, "requires_grad": True, "exclusive": name in EXCLUSIVE}
        for name, classes in CLASSES.items()
    }


def complaints(config) -> list[str]:
    """What is wrong with a SonicVerseConfig."""
    found = []
    for name in (
        "content_tokens",
        "backbone_size",
        "head_hidden_size",
        "pooled_frames",
        "max_new_tokens",
        "candidates",
    ):
        if getattr(config, name) < 1:
            found.append(f"{name} is {getattr(config, name)}; it must be 1 or more")
    if config.audio_token_id >= 0:
        found.append(f"audio_token_id is {config.audio_token_id}, a word's; it must be below 0")
    if not config.caption_seconds >= config.window_seconds:
        found.append(
            f"caption_seconds is {config.caption_seconds}; it must not be below window_seconds, {config.window_seconds}"
        )
    if not 0 <= config.confident_below < config.confident_above <= 1:
        found.append(
            f"confident_below is {config.confident_below} and confident_above {config.confident_above}; "
            "they must rise, from 0 to 1"
        )
    if config.abstain_below:
        found.append(f"abstain_below is {config.abstain_below}; key and vocals have their own: set those, in tasks")
    for name, task in config.tasks.items():
        classes, thresholds = task["classes"], task["thresholds"]
        if name not in ANSWER_KEYS:
            found.append(f"tasks has {name!r}; allowed are {', '.join(ANSWER_KEYS)}")
        if not classes or len(set(classes)) != len(classes):
            found.append(f"classes of {name} are {classes}; they must be one or more, each another")
        if not task["weight"] >= 0:
            found.append(f"weight of {name} is {task['weight']}; it must be 0 or above")
        if not 0 <= task["abstain_below"] <= 1:
            found.append(f"abstain_below of {name} is {task['abstain_below']}; it must be from 0 to 1")
        if not task["temperature"] > 0:
            found.append(f"temperature of {name} is {task['temperature']}; it must be above 0 (1.0 changes nothing)")
        if thresholds is not None and len(thresholds) != len(classes):
            found.append(f"thresholds of {name} are {thresholds}; they must be None, or {len(classes)} numbers")
    return found


def completed(tasks: dict[str, dict]) -> dict[str, dict]:
    """Tasks with all their fields, in the order of their tokens, which a config.json does not keep.

    Raises ValueError for a field that nobody reads.
    """
    order, found = list(ANSWER_KEYS), {}
    for name in sorted(tasks, key=lambda each: order.index(each) if each in order else len(order)):
        task = tasks[name]
        default = {"weight": 0.1, "requires_grad": True, "exclusive": name in EXCLUSIVE}
        default |= {"temperature": 1.0, "abstain_below": 0.0, "thresholds": None}
        if "classes" not in task or task.keys() - default.keys() - {"classes"}:
            allowed = ", ".join(("classes", *default))
            raise ValueError(f"task {name} has {', '.join(task) or 'nothing'}; it needs classes, allowed are {allowed}")
        given = {key: task[key] for key in default if key in task}
        found[name] = {"classes": list(task["classes"]), **default, **given}
    return found
