"""What recipes share: the licences of rows, told once each."""

from linernotes.training.rows import licences_of


def test_licences_that_meet_in_many_combinations_are_told_once():
    notes, sounds = ("Apache-2.0", "CC BY 4.0"), ("sounds of a: MIT", "sounds of b: public domain")
    rows = [f"{note}; {sound}" for note in notes for sound in sounds for _ in range(2)]
    assert licences_of(rows) == "Apache-2.0; CC BY 4.0; sounds of a: MIT; sounds of b: public domain"
