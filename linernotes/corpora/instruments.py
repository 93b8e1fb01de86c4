"""A band to draw from: each function draws one instrument, a little different every time, from a random generator."""

import numpy as np

from linernotes.corpora.sounds import Drum, Tone, falling_partials


def kick(rng: np.random.Generator) -> Drum:
    return Drum(rng.uniform(0.08, 0.16), skin_hz=rng.uniform(44, 62), hit_hz=rng.uniform(150, 320), noise=0.03)


def snare(rng: np.random.Generator) -> Drum:
    buzz = {"noise": rng.uniform(0.3, 0.6), "noise_decay_seconds": rng.uniform(0.05, 0.11), "noise_hz": (900.0, 9e3)}
    return Drum(rng.uniform(0.05, 0.09), skin_hz=rng.uniform(165, 230), hit_hz=320.0, **buzz)


def clap(rng: np.random.Generator) -> Drum:
    return Drum(0.02, noise=1.0, noise_decay_seconds=rng.uniform(0.05, 0.1), noise_hz=(900.0, 5_500.0), bursts=3)


def closed_hat(rng: np.random.Generator) -> Drum:
    return Drum(0.02, noise=1.0, noise_decay_seconds=rng.uniform(0.018, 0.04), noise_hz=(rng.uniform(5e3, 7e3), 2e4))


def open_hat(rng: np.random.Generator) -> Drum:
    return Drum(0.02, noise=1.0, noise_decay_seconds=rng.uniform(0.07, 0.14), noise_hz=(rng.uniform(5e3, 7e3), 2e4))


def ride(rng: np.random.Generator) -> Drum:
    ping = {"metal": rng.uniform(0.1, 0.25), "noise": 0.7, "noise_decay_seconds": rng.uniform(0.05, 0.1)}
    return Drum(rng.uniform(0.12, 0.3), noise_hz=(rng.uniform(3.5e3, 5.5e3), 1.5e4), **ping)


def crash(rng: np.random.Generator) -> Drum:
    return Drum(0.3, noise=1.0, noise_decay_seconds=rng.uniform(0.35, 0.6), noise_hz=(2.5e3, 1.6e4), metal=0.1)


def upright_bass(rng: np.random.Generator) -> Tone:
    partials = falling_partials(12, rng.uniform(1.2, 1.7))
    return Tone(partials, 0.008, rng.uniform(0.5, 0.9), dullness=1.2, dull_seconds=0.15, breath=0.05)


def electric_bass(rng: np.random.Generator) -> Tone:
    partials = falling_partials(16, rng.uniform(1.0, 1.5))
    return Tone(partials, 0.004, rng.uniform(0.8, 2.0), dullness=0.8, dull_seconds=0.2)


def piano(rng: np.random.Generator) -> Tone:
    partials = falling_partials(24, rng.uniform(1.0, 1.4), even=rng.uniform(0.6, 1.0))
    body = {"dullness": rng.uniform(0.8, 1.4), "dull_seconds": 0.25, "detune_cents": rng.uniform(0.5, 2.0)}
    return Tone(partials, 0.003, rng.uniform(0.6, 1.4), 0.12, breath=0.03, **body)


def electric_piano(rng: np.random.Generator) -> Tone:
    tine = (1.0, rng.uniform(0.05, 0.2), 0.04, 0.02, 0.0, 0.0, rng.uniform(0.1, 0.25))  # the bar rings above the fork
    return Tone(tine, 0.004, rng.uniform(0.8, 1.6), 0.1, dullness=1.5, dull_seconds=0.12, detune_cents=2.0)


def organ(rng: np.random.Generator) -> Tone:
    drawbars = (1.0, rng.uniform(0.3, 0.9), rng.uniform(0.2, 0.7), rng.uniform(0.1, 0.5), 0.0, rng.uniform(0.0, 0.3))
    return Tone((*drawbars, 0.0, rng.uniform(0.0, 0.4)), 0.008, vibrato_hz=6.8, vibrato_cents=8.0, detune_cents=3.0)


def horn(rng: np.random.Generator) -> Tone:
    """A reed whose 7th and 9th partials stand out."""
    partials = list(falling_partials(20, rng.uniform(1.1, 1.5), even=rng.uniform(0.5, 0.9)))
    partials[6] *= rng.uniform(3.0, 5.0)
    partials[8] *= rng.uniform(3.0, 5.0)
    wobble = {"vibrato_hz": rng.uniform(4.5, 5.5), "vibrato_cents": rng.uniform(8, 20), "vibrato_delay_seconds": 0.35}
    return Tone(tuple(partials), rng.uniform(0.02, 0.04), 3.0, 0.05, breath=rng.uniform(0.02, 0.08), **wobble)


def clean_guitar(rng: np.random.Generator) -> Tone:
    partials = falling_partials(20, rng.uniform(0.9, 1.3), even=rng.uniform(0.5, 0.9))
    return Tone(partials, 0.003, rng.uniform(0.5, 1.0), dullness=1.0, dull_seconds=0.12, breath=0.02)


def lead_guitar(rng: np.random.Generator) -> Tone:
    wobble = {"vibrato_hz": rng.uniform(4.5, 6.0), "vibrato_cents": rng.uniform(10, 30), "vibrato_delay_seconds": 0.3}
    return Tone(falling_partials(12, rng.uniform(1.2, 1.6)), 0.004, rng.uniform(1.0, 2.0), dullness=0.6, **wobble)


def driven_guitar(rng: np.random.Generator) -> Tone:
    """A string for a distorting amplifier: few partials, hardly any even one, since clipping adds the odd ones."""
    return Tone(falling_partials(7, rng.uniform(1.8, 2.3), even=0.1), 0.003, rng.uniform(1.0, 2.5), 0.04)


def mouth_harp(rng: np.random.Generator) -> Tone:
    wobble = {"vibrato_hz": rng.uniform(5, 6.5), "vibrato_cents": rng.uniform(10, 25)}
    return Tone(falling_partials(18, rng.uniform(0.7, 1.0)), 0.025, detune_cents=4.0, breath=0.06, **wobble)


def synth_lead(rng: np.random.Generator) -> Tone:
    partials = falling_partials(rng.integers(4, 10), rng.uniform(1.2, 1.8), even=rng.uniform(0.2, 1.0))
    return Tone(partials, 0.01, rng.uniform(0.8, 3.0), 0.1, detune_cents=rng.uniform(0.0, 6.0))


def synth_pad(rng: np.random.Generator) -> Tone:
    partials = falling_partials(16, rng.uniform(1.1, 1.6))
    return Tone(partials, rng.uniform(0.03, 0.15), release_seconds=0.2, detune_cents=rng.uniform(6.0, 12.0))


def bowed_string(rng: np.random.Generator) -> Tone:
    """Many partials, a slow bow, and a vibrato of 5 to 6.5 Hz."""
    partials = falling_partials(36, rng.uniform(1.3, 1.8), even=rng.uniform(0.7, 1.0))
    wobble = {"vibrato_hz": rng.uniform(5.0, 6.5), "vibrato_cents": rng.uniform(15, 32), "vibrato_delay_seconds": 0.12}
    return Tone(partials, rng.uniform(0.06, 0.15), release_seconds=0.15, breath=0.02, **wobble)


def woodwind(rng: np.random.Generator) -> Tone:
    """Between flute (steep) and oboe (the second and third partials stronger than the first)."""
    nasal = rng.uniform(0.0, 1.0)
    partials = (1.0, 0.3 + 1.2 * nasal, 0.1 + 1.2 * nasal, *(0.5 * nasal * k**-1.0 + k**-2.5 for k in range(4, 22)))
    wobble = {"vibrato_hz": rng.uniform(5.0, 6.0), "vibrato_cents": rng.uniform(8, 18)}
    return Tone(partials, rng.uniform(0.04, 0.08), release_seconds=0.1, breath=0.05 * (1.2 - nasal), **wobble)


def one_of(rng: np.random.Generator, *instruments):
    """One of several players, drawn and then tuned."""
    return instruments[rng.integers(len(instruments))](rng)
