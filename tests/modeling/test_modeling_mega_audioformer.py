"""Mega-AudioFormer: sizes and parts by hand and against Llama's, masking, what is learned, padding, folders."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from elsewhere import assert_answers_alike_elsewhere
from huggingface_hub.errors import StrictDataclassError
from pocket_codec import RATE, RATES, noise, prefix_mask, random_codes, tiny, tiny_config
from typer.testing import CliRunner

import linernotes
from linernotes import cli
from linernotes.modeling.codec import IGNORED, CodecEncoder
from linernotes.modeling.codec_transformer import LocalEncoder
from linernotes.modeling.configuration_mega_audioformer import MegaAudioFormerConfig
from linernotes.modeling.modeling_mega_audioformer import MegaAudioFormerForAudioClassification as Classifier
from linernotes.modeling.modeling_mega_audioformer import MegaAudioFormerForMaskedLM as MaskedLM
from linernotes.modeling.modeling_mega_audioformer import MegaAudioFormerModel as Base

# Sizes


@RATES
def test_sizes_are_those_of_the_stated_layers(bandwidth, books):
    with torch.device("meta"):
        model = MaskedLM(MegaAudioFormerConfig(bandwidth_kbps=bandwidth))
    size = {name: sum(p.numel() for p in part.parameters()) for name, part in model.model.named_children()}
    assert size["codec"] == 7_425_792  # the encoder of facebook/encodec_24khz, and no decoder
    layer = 4 * 512**2 + 3 * 512 * 1376 + 2 * 512
    assert size["encoder"] == 8 * layer + 512 == 25_305_600
    assert size["embed_codes"] == books * (1024 + 2) * 64  # a code, hidden, behind the end
    assert size["pack"] == books * 64 * 512
    local = 2 * (4 * 256**2 + 3 * 256 * 688 + 2 * 256) + 256
    heads, condition = books * 256 * 1024, 512 * books * 256
    assert sum(p.numel() for p in model.local_encoder.parameters()) == local + heads + condition + 64 * 256
    assert model.model.codec.quantizer.layers[0].codebook.embed.shape == (1024, 128)
    assert len(model.model.codec.quantizer.layers) == model.config.num_codebooks == books
    assert model.config.frame_rate == 75


@RATES
def test_a_position_is_a_frame_or_several(bandwidth, books):
    codes = random_codes(2, books, 31)
    for per_patch, positions in ((1, 31), (4, 8)):
        model = tiny(Base, bandwidth, frames_per_patch=per_patch)
        assert model(codes).last_hidden_state.shape == (2, positions, 32)
        logits = tiny(MaskedLM, bandwidth, frames_per_patch=per_patch)(codes).logits
        assert logits.shape == (2, books, 31, 1024)
    assert tiny(Classifier, bandwidth)(codes).logits.shape == (2, 10)


def test_the_codes_of_a_frame_are_joined_by_codebook():
    model, codes = tiny(Base, frames_per_patch=2), random_codes(1, 2, 4)
    (first, _), table = model.embed(codes, None)[0], model.embed_codes.weight
    expected = [
        table[codes[0, 0, 0]],
        table[1026 + codes[0, 1, 0]],
        table[codes[0, 0, 1]],
        table[1026 + codes[0, 1, 1]],
    ]
    assert torch.equal(first, torch.stack(expected))


# Masking


@pytest.mark.parametrize("unit", ["token", "frame", "span"])
@RATES
def test_a_quarter_is_hidden(unit, bandwidth, books):
    codes, mask = random_codes(3, books, 400), prefix_mask(400, 100, 237)
    model = tiny(MaskedLM, bandwidth, mask_unit=unit)
    hidden, labels = model.mask(codes, mask, generator=torch.Generator().manual_seed(1))
    asked = labels != IGNORED
    assert torch.equal(hidden == model.model.mask_code, asked)
    assert torch.equal(labels[asked], codes[asked])
    assert torch.equal(hidden[~asked], codes[~asked])
    assert not (asked & ~mask[:, None]).any()
    for row, length in zip(asked, (400, 100, 237), strict=True):
        assert row.sum().item() == pytest.approx(length * books / 4, abs=books)
    whole_frames = (asked.all(1) | ~asked.any(1)).all()
    assert whole_frames == (unit != "token")
    other, _ = model.mask(codes, mask, generator=torch.Generator().manual_seed(2))
    assert not torch.equal(other, hidden)


def test_spans_hide_frames_in_a_row():
    model, codes = tiny(MaskedLM, mask_unit="span", mask_span_frames=10), random_codes(1, 2, 400)
    asked = (model.mask(codes, generator=torch.Generator().manual_seed(0))[1] != IGNORED)[0, 0]
    edges = asked.int().diff().abs().sum().item()
    assert asked.sum() == 100
    assert edges <= 2 * (100 / 10 + 2)  # ten or so whole spans, and two that the ends cut


@pytest.mark.parametrize("options", [{"mask_share": 0.0}, {"mask_unit": "bar"}, {"mask_span_frames": 0}])
def test_masks_that_mean_nothing_are_refused(options):
    with pytest.raises(ValueError, match=r"allowed are a share between 0 and 1, token, frame, span, and 1 frame"):
        tiny(MaskedLM, **options).mask(random_codes())


# Pre-training


@pytest.mark.parametrize("per_patch", [1, 4])
@RATES
def test_the_loss_is_over_what_is_hidden_and_nothing_else(bandwidth, books, per_patch):
    model, codes = tiny(MaskedLM, bandwidth, frames_per_patch=per_patch), random_codes(2, books, 31)
    hidden, labels = model.mask(codes, prefix_mask(31, 22))
    with torch.no_grad():
        asked, everywhere = model(hidden, prefix_mask(31, 22), labels=labels), model(hidden, prefix_mask(31, 22)).logits
    wanted = labels.transpose(1, 2)
    expected = everywhere.transpose(1, 2)[wanted != IGNORED]
    assert torch.allclose(asked.logits, expected, atol=1e-5)
    assert asked.loss.item() == pytest.approx(F.cross_entropy(expected, wanted[wanted != IGNORED]).item(), abs=1e-5)
    one = labels.clone()
    one[one != IGNORED] = torch.where(torch.arange((one != IGNORED).sum()) == 3, one[one != IGNORED], IGNORED)
    assert len(model(hidden, prefix_mask(31, 22), labels=one).logits) == 1


def test_a_hidden_token_is_heard_by_neither_encoder():
    model = tiny(MaskedLM)
    codes = random_codes()
    hidden, labels = model.mask(codes)
    changed = torch.where(labels != IGNORED, (codes + 500) % 1024, codes)
    rehidden = changed.masked_fill(labels != IGNORED, model.model.mask_code)
    assert torch.equal(rehidden, hidden)
    with torch.no_grad():
        assert torch.equal(model(hidden).logits, model(rehidden).logits)


def test_inside_a_patch_a_token_hears_the_others_and_its_global_vector():
    """What the local encoder adds: a neighbour in the patch changes the answer though the global vector is the same."""
    torch.manual_seed(0)
    local = LocalEncoder(tiny_config(12.0), 16).eval()
    embedded, heard, asked = torch.randn(1, 2, 16, 8), torch.randn(1, 2, 32), torch.ones(1, 2, 16, dtype=torch.bool)
    other_token, other_vector = embedded.clone(), heard.clone()
    other_token[0, 0, 5] += 1
    other_vector[0, 1] += 1
    with torch.no_grad():
        plain, by_token, by_vector = (
            local(*inputs, asked).unflatten(0, (2, 16))
            for inputs in ((embedded, heard), (other_token, heard), (embedded, other_vector))
        )
    assert ((by_token - plain)[0].abs().amax(-1) > 1e-6).all()
    assert torch.allclose(by_token[1], plain[1], atol=1e-6)
    assert ((by_vector - plain)[1].abs().amax(-1) > 1e-6).all()
    assert torch.allclose(by_vector[0], plain[0], atol=1e-6)


def test_a_tiny_model_learns_to_copy():
    """The second codebook repeats the first, and every frame the one before it: what is hidden can be known."""
    torch.manual_seed(0)
    options = {"mask_unit": "token", "dropout": 0.0, "code_embedding_size": 16, "local_hidden_size": 32}
    model = tiny(MaskedLM, **options).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)

    def step() -> tuple[torch.Tensor, float]:
        codes = torch.randint(16, (16, 1, 1)).expand(-1, 2, 12)
        hidden, labels = model.mask(codes)
        output = model(hidden, labels=labels)
        wanted = labels.transpose(1, 2)
        return output.loss, (output.logits.argmax(-1) == wanted[wanted != IGNORED]).float().mean().item()

    for _ in range(150):
        optimizer.zero_grad()
        loss, share = step()
        loss.backward()
        optimizer.step()
    assert share > 0.95
    assert loss.item() < 0.3


@pytest.mark.parametrize("per_patch", [1, 4])
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_where_nothing_is_hidden_nothing_is_lost(per_patch, implementation):
    model = tiny(MaskedLM, frames_per_patch=per_patch).train()
    model.set_attn_implementation(implementation)
    hidden, labels = model.mask(random_codes(1, 2, 1))
    assert (labels == IGNORED).all()
    for codes, asked in ((hidden, labels), (random_codes(), torch.full((2, 2, 75), IGNORED))):
        model.zero_grad()
        output = model(codes, labels=asked)
        output.loss.backward()
        assert (output.loss.item(), output.logits.shape) == (0.0, (0, 1024))
        gradients = [p.grad for p in model.parameters() if p.requires_grad]
        assert all(gradient is not None and not gradient.any() for gradient in gradients)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(2, 75).long(), r"labels have shape \(2, 75\); allowed is that of the codes, \(2, 2, 75\)"),
        (random_codes() + 5000, r"labels hold 5\d\d\d; allowed are 0 to 1023, and -100 where nothing is asked: `mask`"),
        (torch.full((2, 2, 75), 1024), "labels hold 1024; allowed are 0 to 1023"),
        (torch.full((2, 2, 75), -1), "labels hold -1; allowed are 0 to 1023"),
        (torch.zeros(2, 2, 75), "labels are torch.float32; allowed are whole numbers: `mask` makes them"),
    ],
)
def test_labels_that_are_no_codes_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        tiny(MaskedLM)(random_codes(), labels=labels)


# From pre-training to fine-tuning


def test_the_classifier_takes_over_all_but_the_local_encoder(tmp_path):
    pretrained = tiny(MaskedLM)
    pretrained.save_pretrained(tmp_path)
    classifier, info = Classifier.from_pretrained(tmp_path, output_loading_info=True)
    assert sorted(info["missing_keys"]) == ["classifier.bias", "classifier.weight"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    expected = pretrained.model.state_dict()
    assert classifier.model.state_dict().keys() == expected.keys()
    for name, weights in classifier.model.state_dict().items():
        assert torch.equal(weights, expected[name]), name
    assert not [name for name, _ in classifier.named_parameters() if "local_encoder" in name]
    with pytest.raises(ValueError, match=r"2 weights were not in the checkpoint and are random, 'classifier.bias'"):
        classifier.predict(codes=random_codes())
    base, info = Base.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.no_grad():
        assert torch.equal(base(random_codes()).last_hidden_state, pretrained.model(random_codes()).last_hidden_state)


@pytest.mark.parametrize("model_class", [Classifier, MaskedLM])
def test_all_but_the_codec_learns(model_class):
    model, codes = tiny(model_class).train(), random_codes()
    labels = torch.tensor([1, 3]) if model_class is Classifier else codes
    hidden = codes if model_class is Classifier else model.mask(codes)[0]
    model(hidden, labels=labels).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (parameter.grad is not None) == ("codec" not in name), name


def test_a_model_that_only_pre_trains_says_so():
    with pytest.raises(ValueError, match=r"MaskedLM guesses hidden codes and answers no question: fine-tune"):
        tiny(MaskedLM).predict(noise(2), sampling_rate=RATE)
    with pytest.raises(ValueError, match=r"FormerModel makes vectors of codes and answers no question: fine-tune it"):
        tiny(Base).predict(noise(2), sampling_rate=RATE)


def test_the_command_says_in_a_line_that_a_pre_trained_model_answers_nothing(tmp_path):
    tiny(MaskedLM).save_pretrained(tmp_path / "pretrained")
    song = Path(linernotes.__file__).parent / "assets" / "morning_mood.ogg"
    result = CliRunner().invoke(cli.app, ["predict", str(song), "--model", str(tmp_path / "pretrained")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.strip().splitlines()) == 1
    assert "guesses hidden codes and answers no question: fine-tune it, by `linernotes train" in result.stderr


# Padding, company, order


@pytest.mark.parametrize("per_patch", [1, 4])
@RATES
def test_padding_and_company_change_no_answer(bandwidth, books, per_patch):
    codes, lengths = random_codes(3, books, 60), (60, 13, 30)
    mask = prefix_mask(*lengths)
    for model_class in (Classifier, MaskedLM):
        model = tiny(model_class, bandwidth, frames_per_patch=per_patch)
        with torch.no_grad():
            together = model(codes, mask).logits
            for row, length in enumerate(lengths):
                alone = model(codes[row : row + 1, :, :length]).logits[0]
                same = together[row] if model_class is Classifier else together[row, :, :length]
                assert torch.allclose(same, alone, atol=1e-5)
            junk = torch.where(mask[:, None], codes, torch.tensor(-7))
            assert torch.equal(model(junk, mask).logits, together)


def test_sound_is_padded_without_being_heard():
    model, recordings = tiny(Classifier), [noise(seconds, seed=seed) for seed, seconds in enumerate((3.0, 1.1234, 2.5))]
    extractor, options = model.feature_extractor, {"sampling_rate": RATE, "return_tensors": "pt"}
    with torch.no_grad():
        together = model(**rename(extractor(recordings, padding=True, **options)))
        for row, samples in enumerate(recordings):
            alone = model(**rename(extractor(samples, **options)))
            assert torch.allclose(together.logits[row], alone.logits[0], atol=1e-6)
    assert (together.logits[0] - together.logits[1]).abs().max() > 1e-4


def rename(inputs) -> dict[str, torch.Tensor]:
    return {name: inputs[name] for name in ("input_values", "attention_mask")}


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_the_order_of_frames_matters(implementation):
    model, codes = tiny(Classifier), random_codes(1)
    model.set_attn_implementation(implementation)
    with torch.no_grad():
        forwards, backwards = model(codes).logits, model(codes.flip(-1)).logits
    assert (forwards - backwards).abs().max() > 1e-5


def test_half_precision_answers_nearly_the_same():
    codes = random_codes()
    exact = tiny(Classifier).predict(codes=codes)
    for answer, expected in zip(tiny(Classifier).bfloat16().predict(codes=codes), exact, strict=True):
        assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=0.02)


# Configs that mean nothing


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codec_config": {"model_type": "dac"}}, "codec_config is a 'dac'; allowed is 'encodec'"),
        ({"codec_config": {"sampling_rate": 48_000}}, "sampling_rate is 24000, the codec's 48000 Hz"),
        ({"level_db": 3.0}, "level_db is 3.0; it must be from -60 to 0, in dB of full scale, or None"),
        ({"problem_type": "regression"}, "problem_type is 'regression'; allowed are single_label"),
        ({"frames_per_patch": 0}, "frames_per_patch is 0; it must be 1 or more"),
        ({"code_embedding_size": 0}, "code_embedding_size is 0; it must be 1 or more"),
        ({"rope_theta": 0.0}, "rope_theta is 0.0; it must be above 0"),
        ({"rms_norm_eps": -1e-6}, "rms_norm_eps is -1e-06; it must be above 0"),
        ({"initializer_range": -0.02}, "initializer_range is -0.02; it must be 0 or above"),
        ({"id2label": {}}, "id2label names no label; give one or more"),
        ({"num_labels": 0}, "id2label names no label; give one or more"),
        ({"id2label": {0: "rock", 1: "pop", 2: "rock"}}, "id2label holds 'rock' more than once"),
    ],
)
def test_configs_that_mean_nothing_are_refused(options, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        MegaAudioFormerConfig(**options)


@pytest.mark.parametrize("bandwidth", [1.6, 0.5])
def test_a_bandwidth_between_two_numbers_of_codebooks_is_refused(bandwidth):
    with pytest.raises(ValueError, match=f"bandwidth_kbps is {bandwidth}; allowed are whole multiples of 0.75"):
        Base(tiny_config(bandwidth))


# What the forward pass refuses


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "give either codes or input_values, one of the two"),
        ({"codes": random_codes(), "input_values": torch.zeros(2, RATE)}, "one of the two"),
        (
            {"codes": random_codes(books=3)},
            r"int64 of shape \(2, 3, 75\); allowed are whole numbers, \(batch, 2, fr",
        ),
        ({"codes": torch.zeros(2, 2, 75)}, r"float32 of shape"),
        ({"codes": torch.ones(2, 2, 75, dtype=torch.bool)}, r"codes are torch.bool of shape .*allowed are whole"),
        ({"codes": random_codes()[0]}, r"of shape \(2, 75\)"),
        ({"codes": random_codes() + 500}, r"codes are from 5\d\d to 1\d\d\d; allowed are 0 to 1023"),
        (
            {"codes": random_codes(), "attention_mask": prefix_mask(RATE, RATE)},
            r"attention_mask has shape \(2, 24000\); allowed with these codes is \(2, 75\), \(batch, frames\)",
        ),
        ({"input_values": torch.zeros(2, 1, 9)}, r"input_values have shape \(2, 1, 9\); allowed is \(batch, samples\)"),
        (
            {"input_values": torch.zeros(2, 9), "attention_mask": prefix_mask(9, 0)},
            r"recordings of \[9, 0\] samples; each must have one or more",
        ),
    ],
)
def test_inputs_that_are_no_codes_are_refused(inputs, message):
    with pytest.raises(ValueError, match=message):
        tiny(Classifier)(**inputs)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.uint16, torch.int32])
def test_whole_numbers_of_any_kind_are_codes(dtype):
    codes, mask = random_codes() % 200, prefix_mask(75, 30)
    for model_class in (Classifier, MaskedLM):
        with torch.no_grad():
            assert torch.equal(tiny(model_class)(codes.to(dtype), mask).logits, tiny(model_class)(codes, mask).logits)


# What it says


@pytest.mark.parametrize("gain", [1 / 64, 0.5, 2.0])  # exact in binary: rounding may choose another code
def test_a_model_with_a_level_answers_the_same_however_loud(gain):
    model, samples = tiny(Classifier, level_db=-22.0), noise(7.3)
    assert model.predict(samples, sampling_rate=RATE) == model.predict(gain * samples, sampling_rate=RATE)
    with torch.no_grad():
        logits = [model(input_values=torch.from_numpy(each)[None]).logits for each in (samples, gain * samples)]
    assert torch.equal(*logits)
    plain = tiny(Classifier)
    assert plain.predict(samples, sampling_rate=RATE) != plain.predict(gain * samples, sampling_rate=RATE)


def test_the_temperature_is_in_the_logits_when_it_answers_and_not_when_it_learns():
    model, codes = tiny(Classifier), random_codes()
    plain = model(codes).logits
    model.config.temperature = 2.0
    assert torch.allclose(model(codes).logits, plain / 2)
    model.training = True  # itself, and no dropout below it
    assert torch.allclose(model(codes).logits, plain)


def test_several_labels_may_hold():
    model, codes = tiny(Classifier, problem_type="multi_label_classification"), random_codes()
    logits = model(codes).logits
    labels = (torch.rand(2, 10) > 0.5).float()
    assert torch.allclose(model(codes, labels=labels).loss, F.binary_cross_entropy_with_logits(logits, labels))
    said = model.predict(codes=codes[0])["probabilities"]
    assert list(said.values()) == pytest.approx(logits[0].sigmoid().tolist(), abs=1e-6)


# Folders


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("mega") / "tiny-former"
    tiny(Classifier, temperature=0.7, model_name="tiny-former").save_pretrained(place)
    return place


@pytest.mark.slow
def test_a_folder_answers_alike_without_this_package(folder):
    assert_answers_alike_elsewhere(folder, RATE)


def test_a_folder_holds_its_codec_names_no_place_and_saves_the_same_again(folder, tmp_path):
    written = (folder / "config.json").read_text()
    assert "_name_or_path" not in written
    assert json.loads(written)["codec_config"]["num_filters"] == 4
    model = linernotes.load(folder)
    assert isinstance(model.model.codec, CodecEncoder)
    assert not hasattr(model.model.codec, "decoder")
    assert model.model.codec.quantizer.layers[1].codebook.embed.std() > 0
    assert not any(parameter.requires_grad for parameter in model.model.codec.parameters())
    model.save_pretrained(tmp_path)
    assert (tmp_path / "config.json").read_text() == written
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in folder.iterdir()}
