"""The words of captions that are written from facts: names, phrases, whole sentences; and what a user may ask.

Sentences are listed by the facts they tell, as letters: i instruments, k key, t tempo, m meter, v voices, n what is
not there. In them `{what}` is the music with its style and mood ("calm jazz piece"), `{a_what}` with its article,
`{who}` the instruments. LEARNT is trained on; WITHHELD is what only the test and validation captions are made of, so
that nothing is measured on sentences that were learned by heart.
"""

from linernotes.modeling.chat import DEFAULT_PROMPT

PROMPTS = (
    DEFAULT_PROMPT,
    "<sound> Describe the music.",
    "What does this music sound like? <sound>",
    "<sound> What do you hear?",
    "Write a caption for this recording. <sound>",
    "<sound> Write a short description of this recording.",
    "Tell me about this piece. <sound>",
    "<sound> Tell me what is playing here.",
    "How would you describe this music to somebody who cannot hear it? <sound>",
    "<sound> How would a musician describe this?",
    "Which instruments play here, and how? <sound>",
    "<sound> Put this music into words.",
    "Summarise what is heard in this clip. <sound>",
    "<sound> Give an account of this clip.",
    "Listen to this and say what it is. <sound>",
    "<sound> What kind of music is this?",
    "Caption this music: <sound>",
)

NAMES = {
    "accordion": ("an accordion",),
    "acoustic guitar": ("an acoustic guitar", "a steel-string guitar"),
    "banjo": ("a banjo",),
    "bass": ("a bass guitar", "an electric bass", "bass"),
    "bassoon": ("a bassoon",),
    "bell": ("bells", "chimes"),
    "brass": ("a brass section", "brass"),
    "cello": ("a cello",),
    "clarinet": ("a clarinet",),
    "classical guitar": ("a classical guitar", "a nylon-string guitar"),
    "double bass": ("a double bass", "an upright bass"),
    "drums": ("drums", "a drum kit"),
    "electric guitar": ("an electric guitar", "electric guitars"),
    "electric piano": ("an electric piano", "an e-piano"),
    "flute": ("a flute",),
    "guitar": ("a guitar",),
    "harmonica": ("a harmonica",),
    "harp": ("a harp",),
    "harpsichord": ("a harpsichord",),
    "horn": ("a French horn", "a horn"),
    "keyboard": ("a keyboard",),
    "marimba": ("a marimba",),
    "oboe": ("an oboe",),
    "organ": ("an organ", "a Hammond organ"),
    "pad": ("a synth pad", "a pad"),
    "percussion": ("percussion",),
    "piano": ("a piano",),
    "pipe organ": ("a pipe organ", "a church organ"),
    "saxophone": ("a saxophone", "a sax"),
    "sitar": ("a sitar",),
    "strings": ("strings", "a string section"),
    "synthesizer": ("a synthesizer", "a synth"),
    "trombone": ("a trombone",),
    "trumpet": ("a trumpet",),
    "tuba": ("a tuba",),
    "vibraphone": ("a vibraphone",),
    "viola": ("a viola",),
    "violin": ("a violin", "a fiddle"),
    "xylophone": ("a xylophone",),
}
ABSENT = {"drums": ("drums", "drum kit"), "electric guitar": ("electric guitar",), "piano": ("piano",)}
PIECES = ("piece", "track", "tune", "song")
PLAIN_PIECES = ("piece of music", "recording", "piece", "track")  # where there is no style
MOODS = {
    "calm": ("calm", "peaceful", "relaxed"),
    "dark": ("dark", "gloomy", "brooding"),
    "energetic": ("energetic", "lively", "driving"),
    "happy": ("happy", "cheerful", "bright"),
    "heavy": ("gritty", "rough"),
    "melancholic": ("melancholic", "wistful"),
    "sad": ("sad", "sorrowful"),
}
TEMPOS = {"slow": ("slow",), "medium": ("medium", "moderate"), "fast": ("fast", "quick")}
PACED = {"slow": ("slow-paced",), "medium": ("mid-tempo", "moderately paced"), "fast": ("fast-paced", "up-tempo")}
METERS = {"4/4": ("4/4", "four-four"), "3/4": ("3/4", "three-four"), "6/8": ("6/8", "six-eight")}
SUNG = {  # after what: "a pop song sung by a woman"
    "instrumental": ("without vocals", "without any singing", "with no vocals"),
    "female": ("sung by a woman", "with a female voice", "with a female singer"),
    "male": ("sung by a man", "with a male voice", "with a male singer"),
    "voice": ("with vocals", "with a singer"),
}
VOICE_SENTENCES = {
    "instrumental": ("There are no vocals.", "It is instrumental.", "There is no singing.", "There is no voice."),
    "female": ("A woman sings.", "The vocals are female.", "The singer is a woman.", "A female vocalist sings."),
    "male": ("A man sings.", "The vocals are male.", "The singer is a man.", "A male vocalist sings."),
    "voice": ("There are vocals.", "Somebody sings.", "A voice sings."),
}

LEARNT = {  # the first sentence
    "": ("This is {a_what}.", "{A_what}.", "We hear {a_what}."),
    "i": (
        "{A_what} with {who}.",
        "This {what} features {who}.",
        "In this {what} we hear {who}.",
        "This is {a_what} with {who}.",
        "{A_what} played by {who}.",
        "{Who} {play} {a_what}.",
        "This is {a_what} for {who}.",
    ),
    "k": ("{A_what} in {key}.", "This {what} is in {key}.", "This is {a_what} in the key of {key}."),
    "t": (
        "{A_paced} {what}.",
        "This is {a_paced} {what}.",
        "{A_what} at a {tempo} tempo.",
        "This {what} has a {tempo} tempo.",
    ),
    "m": ("{A_what} in {meter}.", "This {what} is in {meter}."),
    "v": ("{A_what} {sung}.", "This is {a_what} {sung}."),
    "ik": ("{A_what} in {key} with {who}.", "This {what} in {key} features {who}.", "{Who} {play} {a_what} in {key}."),
    "it": (
        "{A_paced} {what} with {who}.",
        "This {paced} {what} features {who}.",
        "{Who} {play} {a_what} at a {tempo} tempo.",
    ),
    "iv": ("{A_what} for {who}, {sung}.", "This {what} features {who}, {sung}."),
    "kt": ("{A_paced} {what} in {key}.", "This {what} is in {key}, at a {tempo} tempo."),
    "tv": ("{A_paced} {what} {sung}.", "This is {a_paced} {what} {sung}."),
    "mt": ("{A_paced} {what} in {meter}.", "This {what} is in {meter}, at a {tempo} tempo."),
    "ikt": ("{A_paced} {what} in {key} with {who}.", "This {paced} {what} in {key} features {who}."),
}
LEARNT_NEXT = {  # those that follow
    "i": (
        "It features {who}.",
        "The instruments are {who}.",
        "It is played by {who}.",
        "There {is} {who}.",
        "We hear {who}.",
    ),
    "k": ("It is in {key}.", "The key is {key}.", "The music is in {key}.", "It is in the key of {key}."),
    "t": ("The tempo is {tempo}.", "It has a {tempo} tempo.", "It moves at a {tempo} pace.", "It is {paced}."),
    "m": ("It is in {meter}.", "The meter is {meter}.", "The time signature is {meter}."),
    "v": ("{Voice}",),
    "n": ("There {is_no} no {absent}.", "It has no {absent}.", "It is played without {absent}."),
    "kt": ("It is in {key}, and the tempo is {tempo}.", "The key is {key}, the tempo is {tempo}."),
    "km": ("It is in {key} and in {meter}.",),
    "mt": ("It is in {meter} at a {tempo} tempo.", "The tempo is {tempo}, the meter {meter}."),
}
WITHHELD = {
    "": ("Here is {a_what}.", "What plays is {a_what}."),
    "i": ("Here {who} {play} {a_what}.", "{A_what}, performed on {who}.", "A recording of {a_what}: {who}."),
    "k": ("Here is {a_what} whose key is {key}.", "{A_what}, set in {key}."),
    "t": ("Here is {a_paced} {what}.", "{A_what} taken at a {tempo} tempo."),
    "m": ("Here is {a_what} counted in {meter}.",),
    "v": ("Here is {a_what} {sung}.", "What plays is {a_what} {sung}."),
    "it": ("Here {who} {play} {a_paced} {what}.",),
    "ik": ("Here {who} {play} {a_what} in {key}.",),
}
WITHHELD_NEXT = {
    "i": ("One hears {who}.", "The players use {who}.", "The sound is that of {who}."),
    "k": ("Its key is {key}.", "The tonality is {key}.", "Everything is in {key}."),
    "t": ("The speed is {tempo}.", "It goes at a {tempo} pace.", "The beat keeps a {tempo} tempo."),
    "m": ("It is counted in {meter}.", "The bars are in {meter}."),
    "v": ("{Voice}",),
    "n": ("One hears no {absent}.", "It goes without {absent}."),
}
