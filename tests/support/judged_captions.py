"""Sentences of MusicCaps, and what a reader finds stated in each of them.

Source: MusicCaps (Agostinelli et al. 2023, "MusicLM: Generating Music From Text", arXiv 2301.11325), captions by
musicians, CC BY-SA 4.0; quoted by the YouTube id of their clip. The facts are our own reading. The parser was mended
on the first list, which has every kind of fact; nothing was mended on the second, drawn at random afterwards. No
sentence names a key by its tonic, as nearly none of the whole set does.

Facts: k key, t tempo, m meter, v vocals, i instruments, n instruments that are not there, s styles.
"""

QUOTED = """
O1EmHJyz5ds | The song is slow tempo with a piano playing beautifully with no other accompanying instruments. | \
t slow; i piano
UCBocxMCdck | Here we have an electronic dance song that is building up to a crescendo moment. | s edm
YnE5ONaXtLY | There is a high-pitched flute playing a melody while a group of tambourines are keeping the \
rhythm. | i flute, percussion
TLMEsc_42Gw | It sounds passionate, emotional and heartfelt. |
Kojo5khAAS0 | The song is an instrumental. | v instrumental
3-_QS346VWo | The acoustic guitar is playing the main melody. | i acoustic guitar
BdKiPR3kdjo | An accordion plays chords in the background. | i accordion
4lcZkOMhKv8 | This house music clip features a male voice in the beginning followed by a male voice that has \
been heavily processed. | v male; s house
uqUNGNZoxrg | The constantly shifting electronic drums are in the rhythmic background. | i drum machine
IGAzIIZRczw | There are no other instruments in this song. |
5J6CjNc8Njo | There is an orchestra playing the main tune with the dominant sound of the strings section and \
the oud. | i orchestra, strings, oud
WrpWb-Zumnc | There is a brass section holding a single chord while a saxophone and then a trumpet plays a solo \
in the lead. | i brass, saxophone, trumpet
OdLCoLVRCmk | This jazz song features a saxophone solo. | i saxophone; s jazz
OyRtTtTSXuM | This song starts with a descending phrase played on a synth. | i synthesizer
QyMcSnNsAPw | There are no voices in this song. | v instrumental
X2gHQb5ubco | A female opera singer sings this climatic high pitched finish. | v female; s opera
MFxMPOAbUPA | The tune is being performed by the keyboard while the electric guitar and the bass guitar are \
playing in the background. | i keyboard, electric guitar, bass
7zP5kNyDn88 | The piece is instrumental. | v instrumental
1ToIyrmWFjw | This piece could be used in the background of sad Turkish social media content. |
UfEGX0rNOvA | The song is a retro hip hop dance hit. | s hip hop, dance
p_-lKpxLK3g | This is accompanied by violins playing two note trills. | i violin
HHZGjS4g-w4 | This folk song features a female voice singing the main melody. | v female; s folk
u0CgRmXMXNc | There is a set of three small church bells being played in various ways. | i bell
UC_XpUcIQ_8 | This clip features a rock and roll song. | s rock n roll
Di7Rs4QmYKI | The main theme is being played by the trombones while a bass line is played by the tuba. | i \
trombone, bass, tuba
JmbrGzgxrJ4 | There is a versatile female vocalist singing melodically. | v female
YDh36ZdneAU | The tune is being played on a clean sounding electric guitar and there is a blues feel to it. | i \
electric guitar; s blues
wwHi10qX8u8 | This funk song features trumpets playing the main melody. | i trumpet; s funk
uegzZWp6Y4w | An organ strikes a chord and plays it staccato style. | i organ
1FnT0RrfMEA | The tempo is slow with a beautiful violin harmony, piano accompaniment and steady bassline with \
synthesiser arrangements. | t slow; i violin, piano, bass, synthesizer
OO1Q-3kXCtM | It sounds emotional and passionate. |
1LA64TXatWk | This song may be playing at home demonstrating an app to someone. |
zYa3ksSrCqw | There is a male vocalist singing in a versatile manner. | v male
Vy00ycBpqpc | First, we have a bass intro that is played on the upright bass - it lasts for around five \
seconds. | i bass, double bass
YvT7qFbUOO0 | In this recording we hear two main instruments - the sitar and the tabla. | i sitar, tabla
QIjShFhrp6w | This piece could also be playing in the soundtrack of a romantic movie especially during flirting \
scenes. |
Lhw0H3P4zUE | The tune being played on the harmonica is a melancholic one. | i harmonica
0H3FAoDgzhI | A female voice is singing in a higher pitch sounding melancholic. | v female
pwX5SArqGKU | This pop rock song features a male voice singing the main melody. | v male; s pop rock
u68Ghaf_Phs | An acoustic guitar strums chords. | i acoustic guitar
O84YjlJ_Qw4 | The song is a classic country instrumental. | v instrumental; s country
gkB4KBHBV9g | A male vocalist sings a soft melody in a foreign language. | v male
sd1gAgsXMsc | This audio contains a big bell ringing in a steady rhythm. | i bell
go_7i6WvfeE | The death metal song is tense and builds anticipation. | s death metal
AT_076RUWPs | There is a male vocalist singing at a medium-to-high pitch in the lead. | v male
67S7s_jFXhc | The song is medium tempo with a groovy drum rhythm, steady bass line and a grunge keyboard \
harmony. | t medium; i drums, bass, keyboard
1ypKEH2kd7g | The song is an instrumental jazz tune. | v instrumental; s jazz
VlwbDjggUKk | The trumpet is playing a calming main melody while the keyboard and the bass guitar are playing \
in the background. | i trumpet, keyboard, bass
S48GsFznk50 | It starts off with the didgeridoo playing a note and then siding to a higher pitch. | i didgeridoo
5ieMy-PAKA0 | The main theme is being played by the piano while there is a synth string sound in the melodic \
background. | i piano, synthesizer
XfLI8gHCuFE | This is a techno house music piece. | s techno, house
h-3DrDQC62k | The snare, kick, toms, hi-hat and splash are being struck. | i drums
-o0ZtQIkM60 | A male choir starts singing alongside orchestral percussive elements. | v male; s orchestral
2gc1L3g1itU | This audio contains someone playing blues on an e-piano. | i electric piano; s blues
ULXbXpLcoVA | This is a disco/house music piece. | s disco, house
OJuVsBojdvo | This is an acapella version of a Christmas gospel music piece. | v voice; s gospel
Wdl7A3de0L4 | This song contains someone playing a ukulele fingerstly. | i ukulele
OseeYF_ud7g | Someone is playing a fast paced melody on a sitar accompanied by someone playing a rhythm on \
tablas. | t fast; i sitar, tabla
1kYDbl5Y9Sg | There is no singer. | v instrumental
yMEMzSFbZ2s | This may be used for a drum tutorial video. |
YErpnsceZw8 | Later, we hear two violins playing in sync as well as an accordion. | i violin, accordion
O8EMm4QJjeo | There are sleigh bells accompanying the drums. | i bell, drums
O84YjlJ_Qw4 | The tempo is medium with a prolific fiddler playing melody and a banjo and guitar accompaniment. \
| t medium; i violin, banjo, guitar
XdxTZ4-sJvY | This heavy metal song features a distortion guitar playing palm muted power chords using mostly \
down strokes. | i electric guitar; s heavy metal
ITg9o6Gwsbo | This music is an electronic instrumental. | v instrumental; s electronic
_nrz_BawPMY | The tempo is slow with an organ accompaniment. | t slow; i organ
rKRI5UcIICI | There is a clear latin music influence in this solo. | s latin
-5xOcMJpTUk | A male guitarist plays the guitar and speaks about technique in this online video tutorial. | i guitar
C-1i2GlbiIY | The tempo is slow with a melancholic piano accompaniment with drum machine arrangement. | t slow; \
i piano, drum machine
U3TpCc2zHrI | This is an industrial metal/alternative metal music piece. | s industrial, alternative, metal
Ou7vteWmqfw | Toward the end of the song, an overdrive guitar plays a hammer on note. | i electric guitar
0J_2K1Gvruk | This song features two cellos playing a melody in harmony. | i cello
HdRPdh-cSTw | There are ambient sounds of people talking and cheering, indicating that this is a live performance. |
sYJiHxmQWjo | The male and female artists sing a fast tempo, energetic, enthusiastic, spirited and youthful \
Rap. | t fast; v mixed; s rap
UiiYMspxfhU | The Pop song features an echoing female vocal singing over mellow piano chord progression and \
filtered sustained synth bass. | v female; i piano, bass; s pop
ihCl2ImrOYE | This clip is a documentary or tutorial on spinal treatment superimposed on the instrumental. | v \
instrumental
vEN9szBPBkw | This is accompanied by percussion playing a simple beat in common time. | m 4/4; i percussion
3PoC1-xd4Yw | There is no percussion in this song. | n percussion
dakJh2CdT9Q | There's a chilling piano motif, some knocking sounds and a low sustained synth that almost sounds \
like orchestral cello. | i piano, synthesizer
qFrvkOOR2HQ | The low quality recording features a man talking in the background over woodwind melody and \
wooden percussion. | i percussion
UkTWmyy7ia8 | This audio contains an orchestral classical composition played by string instruments. | i \
strings; s orchestral, classical
MeA8CSKAuvw | A brass instrument plays a fill after the first two bars. | i brass
f4jW2H6V7gk | The song is medium fast tempo with a strong bass line, steady drumming rhythm, keyboard \
accompaniment and a car horn playing percussively. | t medium; i bass, drums, keyboard
QS3DabGF41Y | This is an instrumental rock music piece. | v instrumental; s rock
Tt3BnoJw8ds | This symphonic rock song features a male voice singing the main melody in common time. | v male; \
m 4/4; s rock
DX4_QlYLq30 | There is a music box playing a gentle melody in the major key. |
hk-1KRWTM-4 | She plays simple chords with a simple rhythm on the guitar, while she sings with a vibrant and \
youthful voice. | v female; i guitar
t3758pixHZY | The song is medium tempo with a keyboard playing a panning harmony with no percussion. | t \
medium; i keyboard; n percussion
pdOskdFwRPg | The tempo of this song is fast. | t fast
ABVYSaLu_VM | Here we have a slow piano piece played in a major key. | t slow; i piano
Ck-1kRnHqro | This piece is in a 7/4 time signature. | m 7/4
zj2G-KVw4N4 | This waltz song features accordions playing in harmony. | m 3/4; i accordion; s waltz
GHyUAl9Yaos | The tempo is medium slow with Carnatic music accompaniments like violin, Ghatak and mridangam. | \
t medium; i violin
2M-CFCo-rkY | The singer has a light, airy and gentle voice that she uses to sing over the deep and full piano \
arpeggios. | v female; i piano
06IU9WsEp3s | The tempo is medium with keyboard harmony, rhythmic Spanish guitar,percussive congas, bongos and \
guiro with tambourine beats. | t medium; i keyboard, classical guitar, bongo, percussion
AJTU5RhF3S4 | This is a low quality audio and the percussion is not audible. |
NjoKxRwQxCE | There is no vocal melody in this song. | v instrumental
EieK70X8lnw | Someone is playing a complex groove on the drums playing along to digital strings playing in a \
minor key. | i drums, strings
i8PFu7AiwaE | The low quality recording features a 6/8 conga percussion rhythm. | m 6/8; i bongo, percussion
5UXnulANF8g | The genre is soft rock with no drums. | n drums; s rock
qpwjSTEaswI | At the beginning, there is no bass. | n bass
GFGwPa9d9XQ | The singer is a man with an elderly voice that has a quality that sounds like a gurgle. | v male
HQ9HlWProm0 | This is a clip of a tutorial where we have a male teacher playing a minor scale on a nylon string \
guitar. | i classical guitar
4cg3MsrvJqw | The erhu, which sounds much like a violin, is being played in harmony with the guqin to create a \
melody which the performers also sing. | v voice; i erhu
4QES-SJ7mP0 | A four chord modern hip hop/ R&B production featuring synthesizer pads, electronic drums, a \
female vocalist in a minor key. | v female; i pad, drum machine; s hip hop, rnb
UOC4VWQpnDM | In the background you can hear an acoustic guitar being strummed like a flamenco guitar. | i \
acoustic guitar
xZukWGb52BI | This sounds like a harp or an acoustic guitar. |
C0eCERYt4bA | The drum pattern is intricate and there are other percussive elements like an occasional bongo \
and a wooden percussion instrument. | i drums, bongo, percussion
gIFg6jvXgb4 | The low synth sounds like a landing space ship. | i synthesizer
"""
DRAWN = """
E6JR3htwgyE | The song is medium with a bell ringing with echoes in the room. | t medium; i bell
0K-zyeLuKho | The recording is mono and noisy. |
gMgN50wSnNc | The drum kit plays the cowbell and high pitched snare drum to add more of the salsa vibe. | i \
drums, percussion; s salsa
ihJT65fZaHY | There is a male voice describing the tone that he achieves from using an amp with the electric \
guitar. | v male; i electric guitar
Mv90uA0tmgc | The atmosphere is dreamy and cheerful. |
LqP4F4a-HOc | There is a trio of female vocal harmony singers. | v female
JbWaSZPOh18 | The bass is played on a tuba. | i bass, tuba
gqkqzqCHM3A | The tone of the flute is tremulous. | i flute
AgJH6Ul1EFg | The low quality recording features a mellow piano melody playing over sustained strings melody. | \
i piano, strings
1AOe82obwcY | This is a sound that is calm and soothing and would be suitable for any kind of relaxation, \
meditation or spa. |
h-3DrDQC62k | A pattern is played on this percussion. | i percussion
u8aB6EALonk | The audio quality is poor. |
SbUwQctvbHg | This is low quality audio. |
6QHfXuVLhe0 | The string section plays high pitched notes. | i strings
MtVLmOvQopM | This is a live performance of a Russian folk music piece. | s folk
X28GWrn9LlI | It sounds passionate, reverberant and emotional. |
tr2iVjsu4xs | The bass notes are played on a tuba. | i bass, tuba
W4nQpOHIPEw | This is an instrumental song. | v instrumental
hgJK2ZDgWtU | This piece could be used in the soundtrack of a teenage drama TV series that takes place in the \
ghettos of a big city. |
SMjYheNdAzg | This piece can be used in the soundtrack of a kids TV show. |
-O9mnfC61Ac | There is a fiddle playing the main melody. | i violin
tvqvuGywD8U | This song may be playing while doing something like qigong. |
1QSD-dzEv7Y | A piano is playing a repeating melody along with an e-bass. | i piano, bass
4zZiWBp0b08 | This is a comedy music piece. |
tpamd6BKYU4 | A sound like a marimba plays individual notes in an ascending order followed by descending notes. |
kuj0Oi2_7yU | This song may be playing in a guitar class. |
FgUSmmTEE3M | This is a piano-based ballad. | i piano
_qf0UiKtB3k | This is a classical music piece. | s classical
qfVIeq7s6tw | The audio quality is very poor. |
y_TnstfXeBQ | The voice continues to sing a phrase. | v voice
pdOskdFwRPg | The drum solo has the accents on the cowbell. | i drums, percussion
w0yHqPxybQE | The mood of this song is relaxing. |
tUBTRs7Avk0 | This is an electronic/downtempo house music piece. | s electronic, downtempo, house
CzHZNJEV-3o | This clip features a nursery rhyme. |
MXdVnDVjSL8 | A male voice raps a line and the instruments pause momentarily. | v male
-VclCul6FrI | The low quality recording features a jazzy organ keys melody. | i organ; s jazz
kjmmzA6i5rk | The song is passionate and cheerful. |
h6Y0KDtUNHw | It is the sound track of a movie. |
vfscNjNneZg | This is an electronic afrobeat music piece. | s electronic, afrobeat
07mS0mSTDjY | Although the audio quality is not that great, this piece can still be sampled for use in beat-making. |
dUlQepCYXgw | This is accompanied by a cello playing the same melody in the lower register. | i cello
AJTU5RhF3S4 | The bass plays a groovy lick based around the root note of the chord. | i bass
xIbSUwO43Ig | It could also be sampled for use in beat-making. |
pnh_C1w4yGc | The recording is noisy and in mono. |
QNQ3sAMxZPY | This song is an instrumental. | v instrumental
tdTT6rmkk9M | Someone is playing a kick on every beat along with little fill-ins on toms, cymbals and hihat. | i drums
nL4zx0-mi14 | It is an instrumental song. | v instrumental
8PcfPX11Hjg | After the instruments come to a rest, the voices continue to sing in harmony without the \
instruments. | v voice
pELIBvAnbkY | It sounds energetic and exciting. |
gIQ4QrKXjCc | This is an instrumental progressive/math rock piece. | v instrumental; s progressive rock
Wh5JSj89tW8 | Tape hiss, room reverb and unintentional mic clipping is audible throughout. |
GFbSHWBjuuQ | This music is an upbeat instrumental. | v instrumental
3rvqiSZB4pA | The repeated main theme is being played by the keyboard. | i keyboard
0NTzOtVmoiU | The song is rousing in spirit and fervour. |
f1UMPPWbCrU | As a transition piece, the bassoon plays a tune implying mystery and the brass section starts \
playing a little after. | i bassoon, brass
thHSYzhoLo4 | The song is soft, romantic, melodic, emotional , sentimental, melancholic and pleasant. |
XdxTZ4-sJvY | This song can be played at the introduction of a video game. |
sRxUm-ziCBo | This melody is calming and relaxing. |
9zmQwBUFwd4 | This is a hip-hop music piece. | s hip hop
ozjs2d_xlSI | The song is medium tempo with an organ accompaniment, steady drumming , guitar rhythm and various \
percussion hits. | t medium; i organ, drums, guitar, percussion
"""
KINDS = {"k": "key", "t": "tempo", "m": "meter", "v": "vocals", "i": "instruments", "n": "absent", "s": "styles"}
SETS = ("instruments", "absent", "styles")


def judged(quoted: str = QUOTED) -> list[tuple[str, dict]]:
    """(sentence, {fact: value or set of values}), with every fact, None or an empty set where none is stated."""
    rows = []
    for line in quoted.strip().splitlines():
        _, sentence, facts = (part.strip() for part in line.split("|"))
        found = {name: frozenset() if name in SETS else None for name in KINDS.values()}
        for fact in filter(None, facts.split("; ")):
            kind, _, values = fact.partition(" ")
            name = KINDS[kind]
            found[name] = frozenset(values.split(", ")) if name in SETS else values
        rows.append((sentence, found))
    return rows
