"""What SonicVerse says of whole recordings: facts window by window, captions of stretches, one story of long ones.

A window is heard once. What is left of it, two vectors of its mean over time, is kept, and so a caption can be written
of any stretch of windows without listening again; of frames and words nothing stays in memory.
"""

from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.utils import ModelOutput, logging

from .audio import describe
from .candidates import drawing
from .caption_facts import statements
from .caption_reasons import reasons
from .chat import answer_of, conversation, encoded, rendered, with_mark
from .grounding import Known, agreeing, best, contradictions, known
from .music_model import Hearing, MusicModel, is_silent, rounded, unbatch
from .music_tags import ANSWER_KEYS
from .projector import Pooled
from .sections import Section, SectionFinder, excerpt, middle, slots, spectra
from .stories import clock, sentence_of, story, told
from .storytellers import Teller, strange_times, teller
from .windows import Window

SILENCE = "Silence."  # the caption of a stretch in which nothing is heard
SHORT_OF_SECONDS = 1.0  # by which a caption may fall short of a recording and still be about all of it


@dataclass
class Notes:
    """What is kept of a recording for its captions: its windows, and its sections where they are asked for.

    bar: of transformers, told of every window that is heard.
    """

    finder: SectionFinder | None = None
    bar: Any = None
    windows: list[Section] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)


class CaptioningModel(MusicModel):
    """`predict` of a model that hears facts and writes captions; config: a SonicVerseConfig."""

    def predict(
        self,
        audio: Any,
        *,
        prompt: str | None = None,
        long: bool = False,
        grounded: bool = True,
        max_new_tokens: int | None = None,
        story_model: str | None = None,
        story_endpoint: str | None = None,
        batch_size: int = 8,
        **options: Any,
    ) -> dict[str, Any] | list[dict[str, Any]]:
        """As `MusicModel.predict`, with a caption.

        Args:
            prompt: what to ask of the sound; `<sound>` in it says where the sound is, by default behind it.
            long: adds `segments`, the sections of the recording, each with its times, facts and caption, and `story`;
                of one in which nothing is heard there are no facts.
            grounded: sentences that contradict what the heads are sure of are not said: where a caption does, or says
                nothing, others are tried; what contradicts even in the best of them is taken out and listed in
                `withheld`. A caption that then states nothing gives way to what is heard.
            max_new_tokens: of a caption, 1 or more; `config.max_new_tokens` by default.
            story_model: what tells the story of a long recording, a causal language model on the Hub or in a folder,
                or with `story_endpoint`, the address of an OpenAI-compatible service, one of its models. By default it
                is composed of the facts. Where the story cannot be told it is composed, and `warnings` says why;
                where there is no such model on this machine or the Hub, that is an OSError.

        Returns:
            `caption` and the stretch that it is about (`caption_start_seconds`, `caption_end_seconds`), `key` and
            `vocals` with `label`, `confidence` and `probabilities`, `instruments`, `moods` and `genres` with `labels`
            and `probabilities`. Without a language model the captions are None, and `warnings` says how to get them.
        """
        question, sources = with_mark(prompt), list(audio) if isinstance(audio, (list, tuple)) else [audio]
        self._check_writing(max_new_tokens)
        tell = self._teller(long, story_model, story_endpoint)
        # bars of transformers, shown where somebody waits for much at a terminal
        with logging.tqdm(desc="heard", unit="s", disable=None if long else True) as bar:
            hearings = [Hearing(describe(each), words=Notes(self._finder() if long else None, bar)) for each in sources]
            answers = super().predict(audio, batch_size=batch_size, hearings=hearings, **options)
        listed = answers if isinstance(answers, list) else [answers]
        pairs = zip(listed, hearings, strict=True)
        asked = [each for answer, hearing in pairs if "error" not in answer for each in self._asked(answer, hearing)]
        if self.language_model is not None:
            with self._listening():
                self._write(asked, question, grounded, max_new_tokens or self.config.max_new_tokens, batch_size)
        for answer in listed:
            if "segments" in answer:
                self._tell(answer, tell, story_model)
        return answers

    def _teller(self, long: bool, model: str | None, endpoint: str | None) -> Teller | None:
        if model is None and endpoint is not None:
            raise ValueError("story_endpoint is where a model is asked: name one of its models as story_model")
        if model is not None and not long:
            raise ValueError("story_model tells the story of a long recording: ask for it with long=True (--long)")
        return None if model is None else teller(model, endpoint, self.device)

    def _tell(self, answer: dict[str, Any], tell: Teller | None, name: str | None) -> None:
        """Puts the story into an answer, told where there is somebody to tell it, else composed."""
        answer["story"] = story(answer["segments"])
        if tell is None:
            return
        try:
            answer["story"] = tell(answer["segments"])
        except (OSError, ValueError) as error:
            answer["warnings"].append(f"the story is composed, {name} told none: {error}")
            return
        if strange := strange_times(answer["story"], answer["segments"]):
            answer["warnings"].append(f"the story names {', '.join(strange)}, where no section begins or ends")

    def _check_writing(self, max_new_tokens: int | None = None) -> None:
        """Raises ValueError where a caption would have no words."""
        whole = isinstance(max_new_tokens, Integral) and not isinstance(max_new_tokens, bool)
        if max_new_tokens is not None and not (whole and max_new_tokens >= 1):
            raise ValueError(f"max_new_tokens is {max_new_tokens!r}; it must be a whole number, 1 or more")
        if self.language_model is not None and self.tokenizer is None:
            raise ValueError(
                "this model writes captions, but its folder has no tokenizer: set model.tokenizer to that of its "
                "language model and save the model again"
            )

    # Listening

    def _finder(self) -> SectionFinder:
        return SectionFinder(max_seconds=self.config.caption_seconds)

    def _read_windows(self, batch: list[tuple[Hearing, Window]]) -> list[dict[str, np.ndarray]]:
        states, mask = self.encode(**self._inputs([window.samples for _, window in batch]))
        pooled = self.projector.pool(states, mask)
        kept = unbatch({"content": pooled.content, "shared": pooled.shared})
        for row, ((hearing, window), means) in enumerate(zip(batch, kept, strict=True)):
            section = Section(window.start_seconds, window.end_seconds, **means, silent=is_silent(window.samples))
            hearing.words.windows.append(section)
            if hearing.words.bar is not None:
                hearing.words.bar.update(round(window.new_seconds))
            if hearing.words.finder is not None:
                frames = int(mask[row].sum())
                hearing.words.sections += self._sections(hearing.words.finder, window, section, states[row, :, :frames])
        answers = self.readings(ModelOutput(task_logits=self.tempered(self.projector.judge(pooled))))
        return unbatch(answers) if answers else [{} for _ in batch]

    def _sections(self, finder: SectionFinder, window: Window, section: Section, states: Tensor) -> list[Section]:
        """The sections that a window completes. As published, frames are no means: then a window is a section."""
        if self.config.original_pooling:
            return [section]
        (mixed,) = unbatch(self.projector.mixed(states[None])._asdict())
        span = window.start_seconds, window.end_seconds
        compared = spectra(window.samples, self.config.sampling_rate)
        parts = slots(compared, mixed["content"], mixed["shared"], span, window.new_seconds)
        return [done for slot in parts for done in finder.add(slot)]

    def readings(self, outputs: ModelOutput) -> dict[str, Tensor]:
        """Probabilities by task. Of classes of which one holds, those of independent ones given that just one does."""
        tasks = self.config.tasks
        return {
            name: logits.float().softmax(-1) if tasks[name]["exclusive"] else logits.float().sigmoid()
            for name, logits in outputs.task_logits.items()
        }

    def decode(self, reading: dict[str, np.ndarray]) -> dict[str, Any]:
        answer, doubts = {}, []
        for name in sorted(reading, key=lambda each: self.config.tasks[each]["exclusive"], reverse=True):
            task = self.config.tasks[name]
            shares = rounded(task["classes"], reading[name])
            if task["exclusive"]:
                label = max(shares, key=shares.get)
                unsure = not shares[label] >= task["abstain_below"]
                found = {"label": label, "confidence": shares[label], "uncertain": unsure}
            else:
                least = task["thresholds"] or [0.5] * len(shares)
                there = [each for each, from_there in zip(shares, least, strict=True) if shares[each] >= from_there]
                unsure = not there
                found = {"labels": sorted(there, key=shares.get, reverse=True)}
            doubts.append(unsure)
            answer[ANSWER_KEYS[name]] = found | {"probabilities": shares}
        heard = answer.get("instruments", {"labels": []})["labels"]
        if "voice" in heard and answer.get("vocals", {}).get("label") == "instrumental":
            answer["vocals"]["uncertain"] = True  # the two heads do not agree
        return answer | {"uncertain": bool(doubts) and all(doubts)}

    def of_silence(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Nothing is sure of silence, and nothing plays."""
        for name in ANSWER_KEYS.values():
            if name in answer:
                answer[name] |= {"labels": []} if "labels" in answer[name] else {"uncertain": True}
        return super().of_silence(answer)

    def _answer(self, hearing: Hearing, timeline: bool) -> dict[str, Any]:
        answer = super()._answer(hearing, timeline)
        if "error" in answer:
            return answer
        if self.language_model is None:
            answer["warnings"].append(f"captions need the language model, which is not here: {self.how_to_get_words()}")
        return {"model": answer.pop("model"), "caption": None} | answer

    # Writing

    def _asked(self, answer: dict[str, Any], hearing: Hearing) -> list[tuple[dict[str, Any], Section]]:
        """What captions are asked for: places for them, with facts, and the stretches they are about."""
        notes, config = hearing.words, self.config
        about = excerpt(notes.windows, hearing.weights, config.caption_seconds)
        answer["caption_start_seconds"] = round(about.start_seconds, 3)
        answer["caption_end_seconds"] = round(about.end_seconds, 3)
        is_part = hearing.duration_seconds > config.caption_seconds + SHORT_OF_SECONDS and notes.finder is None
        if is_part and self.language_model is not None:
            span = f"{clock(about.start_seconds)}-{clock(about.end_seconds)} of {clock(hearing.duration_seconds)}"
            answer["warnings"].append(f"the caption describes {span}; long=True (--long) describes the whole recording")
        if about.silent:
            answer["caption"] = SILENCE
        asked = [(answer, about)]
        if notes.finder is not None:
            sections = [*notes.sections, *notes.finder.finish()]
            answer["segments"] = [self._segment(section) for section in sections]
            asked += zip(answer["segments"], sections, strict=True)
        return asked

    def _facts(self, about: Section) -> dict[str, Any]:
        """What the heads hear in a stretch."""
        with self._listening():
            logits = self.projector.judge(self.pooled([about]))
            answers = self.readings(ModelOutput(task_logits=self.tempered(logits)))
        return self.decode(unbatch(answers)[0] if answers else {})

    def _segment(self, about: Section) -> dict[str, Any]:
        span = {"start_seconds": round(about.start_seconds, 3), "end_seconds": round(about.end_seconds, 3)}
        return {**span, "caption": SILENCE} if about.silent else {**span, "caption": None, **self._facts(about)}

    def pooled(self, stretches: list[Section]) -> Pooled:
        parts = ([getattr(each, name) for each in stretches] for name in ("content", "shared"))
        return Pooled(*(torch.from_numpy(np.stack(part)).to(self.device, self.dtype) for part in parts))

    def _write(
        self, asked: list[tuple[dict, Section]], question: str, grounded: bool, max_new_tokens: int, batch_size: int
    ) -> None:
        """Puts `caption` into every place, and `withheld` where sentences were taken out; of silence there is one."""
        asked = [each for each in asked if not each[1].silent]
        messages = [{"role": "user", "content": question}]
        sound = [self.config.audio_token_id] * self.config.audio_tokens
        ids = torch.tensor(encoded(self.tokenizer, rendered(self.tokenizer, messages, asking=True), sound))
        most = getattr(self.config.text_config, "max_position_embeddings", None)
        if most is not None and len(ids) + max_new_tokens > most:
            raise ValueError(
                f"the prompt has {len(ids)} tokens with its sound, and the caption may have {max_new_tokens}; the "
                f"language model reads {most} at most: shorten the prompt, or set max_new_tokens lower"
            )
        bar = logging.tqdm(total=len(asked), desc="captions", disable=None if len(asked) > batch_size else True)
        for start in range(0, len(asked), batch_size):
            group = asked[start : start + batch_size]
            pooled = self.pooled([about for _, about in group])
            tokens = self.projector.tokens(pooled, self.projector.judge(pooled))
            captions = self._said(ids, tokens, max_new_tokens)
            if grounded:
                sure = [self._sure(*each) for each in group]
                captions = self._exchanged(captions, sure, ids, tokens, max_new_tokens)
            for row, (place, _) in enumerate(group):
                place["caption"] = captions[row]
                if grounded:
                    self._take_out(place, sure[row])
            bar.update(len(group))
        bar.close()

    def _said(self, ids: Tensor, tokens: Tensor, max_new_tokens: int, **options: Any) -> list[str]:
        """Captions of sounds, (batch, audio_tokens, width), by default the likeliest word after the other."""
        rows = ids.to(self.device).expand(len(tokens), -1)
        options = {"do_sample": False, "max_new_tokens": max_new_tokens, **options}
        said = self.generate(rows, audio_tokens=tokens, **options)
        ended = np.isin(said.cpu().numpy(), self.config.text_config.eos_token_id).any(1)  # one id, or several
        texts = self.tokenizer.batch_decode(said, skip_special_tokens=True)
        return [answer_of(text, whole) for text, whole in zip(texts, ended, strict=True)]

    def _exchanged(
        self, captions: list[str], sure: list[Known], ids: Tensor, tokens: Tensor, max_new_tokens: int
    ) -> list[str]:
        """Captions, and in the place of each that contradicts what is sure, or states nothing, the best among it and
        its candidates."""
        wrong = [row for row, each in enumerate(captions) if contradictions(each, sure[row]) or not statements(each)]
        others = self.config.candidates - 1
        if not wrong or others < 1:
            return captions
        repeated = tokens[wrong].repeat_interleave(others, dim=0)
        drawn = self._said(ids, repeated, max_new_tokens, logits_processor=drawing(others))
        exchanged = list(captions)
        for number, row in enumerate(wrong):
            exchanged[row] = best([captions[row], *drawn[number * others : (number + 1) * others]], sure[row])
        return exchanged

    def _take_out(self, place: dict[str, Any], sure: Known) -> None:
        """Leaves of the caption what contradicts nothing that is sure; the rest goes into `withheld`.

        Where it then states nothing, what is heard is said in our own words.
        """
        kept, withheld = agreeing(place["caption"], sure)
        if not statements(kept):
            said = sentence_of(told({**place, "start_seconds": 0.0, "end_seconds": 0.0}).facts)
            kept = said if statements(said) else kept or said
        place["caption"] = kept
        if withheld:
            place["withheld"] = withheld

    def _sure(self, place: dict[str, Any], about: Section) -> Known:
        """What is sure of a stretch: of a recording that is longer than it, what is heard in the stretch itself."""
        whole = place.get("duration_seconds", 0.0) <= about.end_seconds - about.start_seconds + 1e-3
        facts = place if whole else self._facts(about)
        return known(facts, self.config.confident_above, self.config.confident_below)

    # What the caption rests on

    def explain(self, audio: Any, *, sampling_rate: int | None = None, prompt: str | None = None) -> dict[str, Any]:
        """The answer with what it rests on, of one recording; raises AudioError.

        `layers`: of the content and of each task, what every layer of the encoder counts, adding up to 1. With a
        language model also, of the caption's log-probability given the sound: `log_probability`; `tokens`, for the
        content and each task its `fall` when these tokens are hidden from the language model, and `gradient_x_input`
        summed over them; `windows`, for each window that the caption is about its `fall` when the window is left out,
        0 where there is only one.
        """
        hearing = Hearing(describe(audio), words=Notes())
        question = with_mark(prompt)
        self._check_writing()
        (answer,) = super().predict([audio], sampling_rate=sampling_rate, hearings=[hearing])
        ((_, about),) = self._asked(answer, hearing)
        with torch.no_grad():
            weights = self.projector.layer_weights().items()
        answer["layers"] = {ANSWER_KEYS.get(name, "content"): each.tolist() for name, each in weights}
        if self.language_model is None:
            return answer
        with self._listening(gradients=True):
            with torch.no_grad():
                self._write([(answer, about)], question, True, self.config.max_new_tokens, 1)
            said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer["caption"]}]
            ids, labels = conversation(self.tokenizer, said, self.config)
            taken = middle(hearing.words.windows, self.config.caption_seconds)
            windows, seconds = hearing.words.windows[taken], hearing.weights[taken]
            return {**answer, **reasons(self, ids, labels, windows, seconds)}
