"""The words by which captions name instruments, voices and styles, and what each of them means.

Canonical names are those of MTG-Jamendo with their spaces back ("electric guitar"), where it has a name; the words were
gathered from the captions of MusicCaps (Agostinelli et al. 2023, arXiv 2301.11325). Plain text stands for itself in
singular and plural; what is a regular expression says so by its brackets or backslashes.
"""

import re
from functools import cache

MUSIC = r"(?: (?:music|song|songs|track|piece|tune|band|beat|clip|hit|instrumental|ballad|style|feel|groove|genre))"

INSTRUMENTS = {
    "accordion": "accordion|concertina|bandoneon",
    "acoustic bass guitar": "acoustic bass guitar|acoustic bass",
    "acoustic guitar": "acoustic guitar|steel[- ]string guitar|fingerpicked guitar|strummed guitar",
    "banjo": "banjo",
    "bass": "bass guitar|electric bass|e-bass|e-bass ?line|bass ?line|bassist|fretless bass|synth bass|"
    "synthesi[sz]er bass|slap bass|bass",
    "bassoon": "bassoon",
    "bell": "bell|chime|church bell|tubular bell|glockenspiel",
    "bongo": "bongo|conga|bongo drum|conga drum",
    "brass": "brass section|brass|brass instrument",
    "cello": "cello|cellist|violoncello",
    "clarinet": "clarinet",
    "classical guitar": "classical guitar|nylon[- ]string guitar|nylon guitar|spanish guitar|flamenco guitar",
    "didgeridoo": "didgeridoo",
    "double bass": "double bass|upright bass|contrabass|stand-?up bass",
    "drum machine": r"drum machine|programmed drum|electronic drum|digital drum|programmed percussion|808s?|"
    "electronic percussion|drum loop",
    "drums": "drum|drumming|drum ?kit|drum set|drummer|drum ?beat|kick drum|bass drum|snare|snare drum|hi-?hat|cymbal|"
    "tom|kick|acoustic drum",
    "electric guitar": "electric guitar|electronic guitar|overdrive guitar|e-guitar|distorted guitar|distortion guitar|"
    "lead guitar|overdriven guitar|distorted electric guitar",
    "electric piano": "electric piano|e-piano|wurlitzer",
    "erhu": "erhu",
    "flute": "flute|flautist|flutist|piccolo|recorder|pan flute|bansuri|bamboo flute|shakuhachi",
    "guitar": "guitar|guitarist",
    "harmonica": "harmonica|mouth harp",
    "harp": "harp",
    "harpsichord": "harpsichord",
    "horn": r"(?<!car )(?<!air )horn|french horn|horn section",
    "keyboard": "keyboard|keyboardist|keyboard harmony|keyboard accompaniment",
    "mandolin": "mandolin",
    "marimba": "marimba",
    "oboe": "oboe|cor anglais|english horn",
    "orchestra": "orchestra|symphony orchestra|philharmonic",
    "organ": "organ|hammond|hammond organ",
    "oud": "oud",
    "pad": "synth pad|pad|synthesi[sz]er pad",
    "percussion": "percussion|percussionist|percussion instrument|percussion section|tambourine|shaker|maraca|"
    "cowbell|triangle|castanet|djembe|hand drum|claves",
    "piano": "piano|grand piano|acoustic piano|upright piano|pianist|piano accompaniment",
    "pipe organ": "pipe organ|church organ",
    "rhodes": "rhodes|fender rhodes|rhodes piano",
    "sampler": "sampler|turntable",
    "saxophone": "saxophone|sax|alto sax|tenor sax|tenor saxophone|alto saxophone|saxophonist",
    "sitar": "sitar",
    "strings": "string section|strings|string instrument|stringed instrument|string ensemble|string quartet|"
    "string orchestra|orchestral strings",
    "synthesizer": "synthesi[sz]er|synth|synth lead|synth melody|synth string|moog",
    "tabla": "tabla",
    "theremin": "theremin",
    "trombone": "trombone|trombonist",
    "trumpet": "trumpet|cornet|flugelhorn|trumpeter",
    "tuba": "tuba|sousaphone",
    "ukulele": "ukulele",
    "vibraphone": "vibraphone",
    "viola": "viola",
    "violin": "violin|fiddle|violinist|fiddler",
    "xylophone": "xylophone",
}
STYLES = {
    "acid jazz": "acid jazz",
    "afrobeat": "afrobeat|afro beat",
    "alternative": "alternative|alternative music",
    "alternative rock": "alternative rock|alt[- ]rock",
    "ambient": r"ambient(?! (?:sound|noise))",
    "bluegrass": "bluegrass",
    "blues": r"blues(?! rock)|bluesy",
    "blues rock": "blues rock",
    "bossa nova": "bossa ?nova",
    "breakbeat": "breakbeat",
    "celtic": "celtic|irish music",
    "classical": r"classical(?! guitar)|baroque|romantic era",
    "country": rf"country(?={MUSIC}| and western)|country-style",
    "dance": rf"dance(?= ?{MUSIC})|dance music",
    "dark ambient": "dark ambient",
    "death metal": "death metal|black metal|thrash metal",
    "deep house": "deep house",
    "disco": "disco",
    "drum n bass": r"drum ?(?:&|and|n|'n'?) ?bass|dnb|jungle music",
    "dub": "dub",
    "dubstep": "dubstep",
    "easy listening": "easy listening",
    "edm": "edm|electronic dance music|electronic dance",
    "electronic": rf"electronic(?={MUSIC})|electronica|electronic music",
    "electropop": "electro-?pop",
    "experimental": "experimental",
    "flamenco": r"flamenco(?! guitar)",
    "folk": "folk|folk music|folklore",
    "folk rock": "folk rock",
    "funk": "funk|funky",
    "fusion": "fusion",
    "gospel": "gospel",
    "grunge": "grunge(?! keyboard)",
    "hard rock": "hard rock",
    "heavy metal": "heavy metal|nu metal",
    "hip hop": "hip[- ]?hop",
    "house": rf"house(?={MUSIC})|tech house|progressive house",
    "indie": "indie",
    "industrial": rf"industrial(?={MUSIC}| metal| rock)",
    "jazz": "jazz|jazzy",
    "jazz fusion": "jazz fusion",
    "k-pop": "k-?pop",
    "latin": "latin|latin american",
    "lo-fi": "lo-?fi",
    "lounge": rf"lounge(?={MUSIC})",
    "lullaby": "lullaby",
    "medieval": "medieval",
    "metal": rf"metal(?={MUSIC})",
    "new age": "new age",
    "opera": "opera|operatic",
    "orchestral": "orchestral(?! strings)",
    "polka": "polka",
    "pop": "pop|pop music",
    "pop rock": "pop[- ]?rock",
    "post-rock": "post[- ]rock",
    "progressive rock": "progressive rock|prog rock",
    "psychedelic": "psychedelic",
    "punk rock": "punk rock|punk",
    "ragtime": "ragtime",
    "rap": r"rap(?= music| song| track| beat|[.,])",
    "reggae": "reggae",
    "reggaeton": "reggaeton",
    "rnb": r"r ?(?:&|and|n|'n'?) ?b|rhythm and blues",
    "rock": "rock|rock music",
    "rock n roll": r"rock ?(?:&|and|n|'n'?) ?roll|rockabilly",
    "salsa": "salsa",
    "samba": "samba",
    "ska": "ska",
    "soul": rf"soul(?={MUSIC})",
    "swing": rf"swing(?={MUSIC})|big band",
    "synth pop": "synth-?pop|synth pop",
    "tango": "tango",
    "techno": "techno",
    "trance": "trance",
    "trap": rf"trap(?={MUSIC})|trap",
    "trip hop": "trip[- ]?hop",
    "waltz": "waltz",
}
# a name that holds others: whoever hears one of those has heard it, and who denies it denies them
KINDS = {
    "guitar": ("acoustic guitar", "electric guitar", "classical guitar"),
    "bass": ("double bass", "acoustic bass guitar"),
    "drums": ("drum machine", "percussion"),
    "percussion": ("drums", "drum machine", "bongo", "bell"),
    "strings": ("violin", "viola", "cello", "double bass", "orchestra"),
    "brass": ("trumpet", "trombone", "horn", "tuba"),
    "piano": ("electric piano", "rhodes", "keyboard"),
    "keyboard": ("piano", "electric piano", "rhodes", "organ", "synthesizer"),
    "organ": ("pipe organ",),
    "synthesizer": ("keyboard", "pad", "computer", "sampler"),
    "orchestra": ("strings", "brass"),
}
SINGING = (
    r"(?:vocalists?|vocals?|voices?|singers?|sings?|singing|sung|raps?|rapping|rapped|rappers?|choirs?|chants?|"
    r"chanting|humming|hums|acapella|a cappella|scatting|vocali[sz]ations?|vocali[sz]ing|crooning|crooner)"
)
FEMALE = r"(?:females?|wom[ae]n(?:'s)?|girls?|lad(?:y|ies)|soprano|mezzo-soprano|she|her)"
MALE = r"(?:males?|m[ae]n(?:'s)?|boys?|gentlem[ae]n|tenor|baritone|he|his)"


@cache
def pattern(words: str) -> re.Pattern[str]:
    """One of the entries above as a regular expression; a plural is formed by s where there is none."""
    return re.compile(rf"(?<![\w-])(?:{words})s?(?![\w-])", re.IGNORECASE)


@cache
def vocabulary() -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """(kind, canonical name, pattern) of every instrument and style."""
    tables = (("instrument", INSTRUMENTS), ("style", STYLES))
    return tuple((kind, name, pattern(words)) for kind, table in tables for name, words in table.items())


def squashed(name: str) -> str:
    """A name as MTG-Jamendo writes it: lower case, letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def meant_by(name: str, classes: list[str]) -> list[str]:
    """Those of a head's classes of which a caption that says `name` may speak: itself, and what it holds."""
    names = {squashed(each) for each in (name, *KINDS.get(name, ()))}
    return [each for each in classes if squashed(each) in names]
