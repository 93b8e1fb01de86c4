"""ABC notation: what a tune's letters mean, and in what order its measures are played."""

from fractions import Fraction

import pytest

from linernotes.corpora.score.sources.abcnotation import AbcError, head, numerator, read_tune, split_book
from linernotes.corpora.score.sources.notation import Measure, bars_of

HEAD = "X:1\nT:A Tune\nM:4/4\nL:1/8\nK:G\n"


def tune(body, head=HEAD):
    return read_tune(head + body)


def notes(body, head=HEAD):
    """(start, length, pitch) in quarters."""
    return [(float(start), float(length), pitch) for start, length, pitch in tune(body, head).notes]


def pitches(body, head=HEAD):
    return [pitch for _, _, pitch in notes(body, head)]


def lengths(body, head=HEAD):
    return [length for _, length, _ in notes(body, head)]


def order(body):
    """Which letters are played, in turn."""
    return "".join("CxDxEFxGxAxB"[pitch % 12] for pitch in pitches(body, HEAD.replace("K:G", "K:C")))


def test_letters_octaves_and_the_key():
    assert pitches("C,CcC' c' f F") == [48, 60, 72, 72, 84, 78, 66]


def test_accidentals_hold_until_the_bar_ends_in_their_octave():
    assert pitches("^c c C =f f | c f _B B ^^G") == [73, 73, 60, 77, 77, 72, 78, 70, 70, 69]


@pytest.mark.parametrize(
    ("key", "name", "altered"),
    [
        ("G", "G major", {"F": 1}), ("Bb", "Bb major", {"B": -1, "E": -1}), ("F# minor", "F# minor", {"F": 1, "G": 1}),
        ("Am", "A minor", {}), ("Ador", None, {"F": 1}), ("D Mixolydian", None, {"F": 1}), ("Gb", "F# major", {"F": 0}),
        ("GM", "G major", {"F": 1}), ("EMin", "E minor", {"F": 1}), ("Dphr", None, {"E": -1, "B": -1}),
    ],
)  # fmt: skip
def test_keys(key, name, altered):
    head = HEAD.replace("K:G", f"K:{key}")
    assert tune("C", head).keys[0][1] == name
    plain = {"C": 60, "D": 62, "E": 64, "F": 65, "G": 67, "A": 69, "B": 71}
    for letter, step in altered.items():
        assert pitches(letter, head) == [plain[letter] + step]


def test_lengths():
    assert lengths("C2 C C/2 C/ C// C3/2 C/4 C16") == [1.0, 0.5, 0.25, 0.25, 0.125, 0.75, 0.125, 8.0]
    assert lengths("C", HEAD.replace("L:1/8\n", "")) == [0.5]  # eighths in long meters, sixteenths in short ones
    assert lengths("C", HEAD.replace("L:1/8\n", "").replace("4/4", "2/4")) == [0.25]
    assert notes("C z2 x D") == [(0.0, 0.5, 60), (2.0, 0.5, 62)]


def test_broken_rhythm():
    assert lengths("A>B c<d e>>f g2>a2 (A.B)>c") == [
        0.75, 0.25, 0.25, 0.75, 0.875, 0.125, 1.5, 0.5, 0.5, 0.75, 0.25,
    ]  # fmt: skip


def test_tuplets():
    third = pytest.approx(1 / 3)
    assert lengths("(3ABc d (3A2Bc (2AB (3:2:2ABd") == [
        third, third, third, 0.5, pytest.approx(2 / 3), third, third, 0.75, 0.75, third, third, 0.5,
    ]  # fmt: skip
    assert lengths("(5ABcde") == [pytest.approx(0.2)] * 5  # of 5 in the time of 2, of 3 in compound meters
    assert lengths("(5ABcde", HEAD.replace("4/4", "9/8")) == [pytest.approx(0.3)] * 5


def test_ties_join_over_bar_lines_and_slurs_do_not():
    assert notes("A4-A4 | B-c d2-|d2") == [(0.0, 4.0, 69), (4.0, 0.5, 71), (4.5, 0.5, 72), (5.0, 2.0, 74)]


def test_of_notes_together_the_highest_is_kept():
    assert notes("[CEc]2 [A/2f/2] [D2-A2-] [DA]") == [(0.0, 1.0, 72), (1.0, 0.25, 78), (1.25, 1.5, 69)]


def test_ornaments_words_and_comments_are_passed_over():
    assert order('{cd}C ~D .E TF (G "^slow"A) !trill!B uC vD`E % CCC\nw: la la\nF\\\nG') == "CDEFGABCDEFG"


@pytest.mark.parametrize(
    ("body", "played"),
    [
        ("|:CD|EF:|", "CDEFCDEF"),
        ("CD|EF:|", "CDEFCDEF"),
        ("A|:CD:|:EF:|G", "ACDCDEFEFG"),
        ("CD::EF:|", "CDCDEFEF"),
        ("|:CD|1EF:|2GA|B", "CDEFCDGAB"),
        ("|:CD|[1 EF:|[2 GA||B", "CDEFCDGAB"),
        ("|:CD|1E|F:|2G|A||BC:|", "CDEFCDGABCBC"),  # what follows a second ending is a section of its own
        ("|:C|1D|2E||F", "CDCEF"),  # no repeat is printed before the second ending
        ("CD||EF:|", "CDEFEF"),
        ("|:CD||EF:|", "CDEFCDEF"),
        ("CDEF|]", "CDEF"),
    ],
)
def test_repeats(body, played):
    assert order(body) == played


def test_chord_symbols_stand_where_they_are_heard():
    assert tune('"G"A2 "D7/f+"B2 |: "C"c4 "Em" :|').chords == (
        (0, "G"), (1, "D7/f+"), (2, "C"), (4, "Em"), (4, "C"), (6, "Em"),
    )  # fmt: skip


def test_meter_and_key_may_change():
    changing = tune("A4 B4 | c4 d4 |\nM:3/4\nK:Am\nA2 B2 f2 | [M:2/4] c2 d2 |")
    assert [m.signature for m in changing.measures] == [(4, 4), (4, 4), (3, 4), (2, 4)]
    assert [key for _, key in changing.keys] == ["G major", "G major", "A minor", "A minor"]
    assert changing.notes[-3][2] == 77


@pytest.mark.parametrize(
    ("tempo", "quarters"), [("1/4=120", 120.0), ("3/8=104", 156.0), ('1/2 = 60 "Slow"', 120.0), ("80", None)]
)
def test_tempo(tempo, quarters):
    assert tune("C", HEAD.replace("K:", f"Q:{tempo}\nK:")).quarter_bpm == quarters


@pytest.mark.parametrize(("meter", "signature"), [("C", (4, 4)), ("C|", (2, 2)), ("9/8", (9, 8)), ("none", None)])
def test_signatures(meter, signature):
    assert tune("C", HEAD.replace("4/4", meter)).measures[0].signature == signature


def test_a_slip_jig_and_its_bars():
    """Drops of Brandy: an upbeat, and 9/8 repeated; the repeat's last bar and its upbeat are one."""
    head = "X:1\nT:Drops of Brandy\nM:9/8\nK:G\n"
    body = "B/2c/2|:d2c BGB BGB|d2c BGB cBA:|"
    slip = tune(body, head)
    bars, end = bars_of(slip.measures, 180.0)
    assert end == pytest.approx((0.5 + 4 * 4.5) / 3)
    assert [bar.whole for bar in bars] == [False, True, True, True, True]
    assert bars[1].start == pytest.approx(0.5 / 3)
    assert bars[1].grouping == (3, 3, 3)
    assert bars[1].pulses == pytest.approx([(0.5 + 0.5 * i) / 3 for i in range(9)])


def test_halves_of_a_bar_that_a_repeat_cuts_are_one_bar():
    parts = [Measure(Fraction(n), (4, 4)) for n in (1, 4, 3, 1, 4, 3)]
    bars, end = bars_of(parts, 60.0)
    assert [(bar.start, bar.whole) for bar in bars] == [(0, False), (1, True), (5, True), (9, True), (13, False)]
    assert end == 16.0
    assert [len(bar.pulses) for bar in bars] == [1, 4, 4, 4, 3]


@pytest.mark.parametrize(
    "odd", [Measure(Fraction(5), (4, 4)), Measure(Fraction(4), None), Measure(Fraction(25), (25, 4))]
)
def test_bars_that_are_not_whole(odd):
    bars, _ = bars_of([Measure(Fraction(4), (4, 4)), odd, Measure(Fraction(4), (4, 4))], 60.0)
    assert [bar.whole for bar in bars] == [True, False, True]


def test_a_book_has_its_tunes_apart():
    book = "% a book\r\n\r\nX:1\r\nT:One\r\n\r\nM:4/4\r\nK:G\r\nABcd|\r\nefga|\r\n\r\nprose\r\nX: 2\r\nT:Two\r\nK:C\r\n"
    one, two = split_book(book)
    assert one.endswith("efga|")
    assert head(one) == {"X": "1", "T": "One", "M": "4/4", "K": "G"}
    assert head(two)["X"] == "2"


@pytest.mark.parametrize(
    ("fields", "body", "kept"),
    [("M:9/8", "ABc|", 9), ("M:C|", "", 2), ("M: 6/8 % a jig", "AB[M:6/8]c", 6), ("M:C", "A|\nM:3/4\nB|", None),
     ("M:C", "A|[M:2/4]B|", None), ("M:none", "", None), ("", "", None)],
)  # fmt: skip
def test_the_numerator_that_a_tune_keeps(fields, body, kept):
    assert numerator(f"X:1\n{fields}\nK:G\n{body}") == kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("X:1\nT:A\nK:G\nABc", r"no M: field: a tune needs X:, T:, M: and K:"),
        (HEAD + "AB ? cd", r"'\? cd' in 'AB \? cd' is nothing that is read here"),
        (HEAD + "A|>B", r"'>' does not follow a note"),
        (HEAD + "V:1\nA", r"several voices \(V:\) are not read"),
        (HEAD + "AB\nM:3/4\nc|", r"the meter changes within a measure"),
        (HEAD.replace("4/4", "4+3/8") + "A", r"M:4\+3/8 is no signature: expected such as 9/8"),
        (HEAD.replace("K:G", "K:Hp") + "A", r"K:Hp is no key: expected such as G, F# minor or Ador"),
        (HEAD.replace("1/8", "8") + "A", r"L:8 is no unit: expected such as 1/8"),
    ],
)
def test_what_cannot_be_read_is_refused(text, message):
    with pytest.raises(AbcError, match=message):
        read_tune(text)
