"""Singing voice conversion to a mel: samplers, scales, what may be chosen, and that the models learn."""

import numpy as np
import pytest
import torch

from bins.extract import extract
from models.base.choices import chosen
from models.base.experiment import Experiment, build_model
from models.base.trainer import Trainer
from models.svc.diffwavenet import DiffWaveNetSVC
from models.svc.task import SVC
from modules.average import Target
from modules.diffusion import SAMPLERS, Diffusion, betas_of
from modules.karras import Karras
from modules.masks import valid
from modules.noise import Noise
from modules.ssim import dissimilarity
from preprocessors.base import read_manifest
from processors.features import FeatureSet
from tests import svc
from tests.conftest import RATE, make_corpus, toy_config
from tests.test_models import card_of, make_batch
from utils.files import read_weights

BANDS = 80
FEW = 8


def model_of(name, **settings):
    torch.manual_seed(0)
    card = card_of(name)
    card["model"] = {**card["model"], **settings}
    return build_model(card).eval()


def inputs(frames=20, rows=1):
    """What `infer` takes, of so many rows."""
    batch = make_batch([frames] * rows, 256)
    contents = {name: batch[name] for name in svc.CHANNELS}
    return contents, batch["f0"], batch["energy"], batch["speaker"]


def second_row(given, frames):
    """The second of two rows, cut to so many frames."""
    contents, f0, energy, speaker = given
    own = {}
    for name, value in contents.items():
        own[name] = value[1:, :frames]
    return own, f0[1:, :frames], energy[1:, :frames], speaker[1:]


def course_of(name, losses, *, updates=40, rate=1e-2, stage="", **settings):
    """The sum of these losses at each of so many updates on one batch of few bands."""
    torch.manual_seed(0)
    card = card_of(name)
    card["model"] = {**card["model"], **settings}
    extrema = {"min": [-7.0] * FEW, "max": [-1.0] * FEW}
    card["facts"] |= {"n_mel": FEW, "statistics": {"mel": extrema}}
    model = build_model(card).train()
    model.stage = stage
    batch = make_batch([64] * 8, 256)
    batch["mel"] = batch["mel"][..., :FEW]
    optimizer = torch.optim.Adam(model.parameters(), rate)
    course = []
    for _ in range(updates):
        found = model(batch)
        optimizer.zero_grad()
        sum(found.values()).backward()
        optimizer.step()
        course.append(sum(found[name].item() for name in losses))
    return course


# The scale of the mel


def test_the_mel_is_scaled_by_the_least_and_the_greatest_of_each_band():
    scale = model_of("DiffWaveNetSVC").scale
    ends = torch.tensor([-12.0, -5.0, 2.0])
    mel = ends[None, :, None].expand(1, 3, BANDS)
    normal = scale.normal(mel)
    places = normal[0, :, 0]
    torch.testing.assert_close(places, torch.tensor([-1.0, 0.0, 1.0]))
    torch.testing.assert_close(scale.natural(normal), mel)


def test_statistics_of_a_mel_are_of_each_band(tmp_path):
    folder = make_corpus(tmp_path, [0.4, 0.3, 0.5], valid=1)
    utterances = read_manifest(folder / "data/custom/train.jsonl")
    settings = {"mel": {"n_mel": 20}}
    features = FeatureSet(settings, sample_rate=RATE, hop_size=256, store=tmp_path / "store")
    features.measure(["mel"], ["custom"], utterances)
    found = features.statistics(["mel"], ["custom"], utterances)["mel"]
    each = [features(utterance)["mel"] for utterance in utterances]
    mels = np.concatenate(each)
    assert len(found["min"]) == 20
    np.testing.assert_allclose(found["max"], mels.max(0), atol=1e-5)
    np.testing.assert_allclose(found["mean"], mels.mean(0), atol=1e-5)


# Samplers of the diffusion


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_ends_within_the_extrema(sampler):
    model = model_of("DiffWaveNetSVC")
    given = inputs()
    mels = []
    for seed in (1, 1, 2):
        out = model.infer(*given, steps=6, sampler=sampler, seed=seed)
        mels.append(out["mel"])
    first, again, other = mels
    assert first.shape == (1, 20, BANDS)
    assert first.min() >= -12 and first.max() <= 2
    torch.testing.assert_close(again, first, rtol=0, atol=0)
    assert (other - first).abs().max() > 0.1


def known(sampler, steps, **how):
    """What a sampler makes of a network that knows the answer, and the answer."""
    diffusion = Diffusion(betas_of("linear", steps=1000, start=1e-4, end=0.02))
    wanted = torch.linspace(-0.9, 0.9, 50)[None]

    def exact(batch, position):
        kept = diffusion.levels[round(position)]
        return (batch - kept**0.5 * wanted) / (1 - kept) ** 0.5

    draws = Noise(0, dtype=torch.float32)
    return diffusion.sample(exact, (1, 50), draws, steps=steps, sampler=sampler, **how), wanted


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_finds_what_the_network_knows(sampler):
    made, wanted = known(sampler, 10, bounds=(-1.0, 1.0))
    assert (made - wanted).abs().max() < 0.02


def test_bounds_hold_back_a_network_that_overshoots():
    diffusion = Diffusion(betas_of("linear", steps=1000, start=1e-4, end=0.02))

    def wild(batch, position):
        return -10 * torch.ones_like(batch)

    free = diffusion.sample(wild, (1, 8), Noise(0), steps=10)
    bound = diffusion.sample(wild, (1, 8), Noise(0), steps=10, bounds=(-1.0, 1.0))
    assert free.abs().max() > 10 and bound.abs().max() < 1.01


def test_published_sampling_is_another_walk():
    diffusion = Diffusion(betas_of("linear", steps=1000, start=1e-4, end=0.02))
    asked = []

    def network(batch, position):
        asked.append(position)
        return torch.zeros_like(batch)

    for plain in (True, False):
        diffusion.sample(network, (1, 4), Noise(0), steps=12, sampler="pndm", plain=plain)
    published, ours = asked[:21], asked[21:]
    assert published[:3] == [913, 871, 871] and published[-1] == 0, "Runge-Kutta, and the first step of training last"
    assert max(ours) == 999 and len(ours) <= 13


def test_the_mel_is_clamped_at_each_step_only_as_published():
    model = model_of("DiffWaveNetSVC")
    seen = {}
    for published in (False, True):
        asked = []
        hook = model.denoiser.register_forward_pre_hook(lambda module, args, asked=asked: asked.append(args[0].abs().max().item()))
        model.infer(*inputs(), steps=4, sampler="ddim", published=published, seed=0)
        hook.remove()
        seen[published] = asked[1:]
    assert max(seen[True]) <= 1 < max(seen[False])


@pytest.mark.parametrize("steps, sampler, told", [
    (0, "ddim", "steps: 1 to 1000"),
    (1001, "unipc", "steps: 1 to 1000"),
    (4, "euler", "Choices: ddpm"),
])  # fmt: skip
def test_steps_and_samplers_that_there_are_not(steps, sampler, told):
    with pytest.raises(ValueError, match=told):
        model_of("DiffWaveNetSVC").infer(*inputs(), steps=steps, sampler=sampler)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_published_pndm_needs_its_first_four_steps(steps):
    with pytest.raises(ValueError, match=f"steps: pndm as published takes 4 to 1000, .*got {steps}"):
        model_of("DiffWaveNetSVC").infer(*inputs(), steps=steps, sampler="pndm", published=True)
    model_of("DiffWaveNetSVC").infer(*inputs(), steps=4, sampler="pndm", published=True)


def test_a_word_that_is_none_of_the_choices_is_named():
    with pytest.raises(ValueError, match=r"sampler must be ddpm or ddim or .*, got 'euler'"):
        chosen({"sampler": "euler"}, DiffWaveNetSVC, SVC)


@pytest.mark.parametrize("wrong", [{"steps": 2.5}, {"steps": True}, {"steps": "4"}, {"seed": 1.5}, {"seed": [1]}, {"sampler": 3}])
def test_options_of_another_type_are_named(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name} must be a (whole number|text), got"):
        chosen(wrong, DiffWaveNetSVC, SVC)
    kept = {"steps": np.int64(3), "published": True, "seed": 2}
    assert chosen(kept, DiffWaveNetSVC, SVC) == kept


# Lengths, speakers, contents


def test_a_padded_row_is_converted_as_it_is_alone():
    model = model_of("DiffWaveNetSVC")
    noise = torch.randn(1, 2, 20, BANDS)
    given = inputs(rows=2)
    frames = torch.tensor([20, 14])
    together = model.infer(*given, frames, steps=3, noise=noise)
    own = second_row(given, 14)
    own_noise = noise[:, 1:, :14]
    alone = model.infer(*own, steps=3, noise=own_noise)
    shared = together["mel"][1:, :14]
    torch.testing.assert_close(shared, alone["mel"], rtol=1e-4, atol=1e-4)


def test_the_vector_of_a_voice_is_read_where_it_is_asked_for():
    card = card_of("DiffWaveNetSVC")
    condition = {**svc.CONDITION, "speakers": "vectors"}
    card["model"] = {**card["model"], "condition": condition}
    card["facts"] = {**card["facts"], "channels": {**svc.CHANNELS, "speaker_vector": 5}}
    model = build_model(card).eval()
    assert model.features_of(card["model"])[-1] == "speaker_vector"
    *given, _ = inputs()
    voices = torch.randn(1, 5)
    one = model.infer(*given, voices, steps=2, seed=0)
    other = model.infer(*given, -5 * voices, steps=2, seed=0)
    assert (one["mel"] - other["mel"]).abs().max() > 1e-4
    batch = make_batch([12, 12], 256) | {"speaker_vector": torch.randn(2, 5)}
    assert torch.isfinite(model(batch)["noise"])


def test_a_diffusion_learns():
    course = course_of("DiffWaveNetSVC", ["noise"], stack={"channels": 48, "layers": 2})
    assert sum(course[-5:]) < 0.6 * sum(course[:5])


# TransformerSVC


@pytest.mark.parametrize("kind", ["conformer", "transformer"])
def test_one_pass_learns_and_needs_no_steps(kind):
    encoder = {"kind": kind, "layers": 1, "filter": 16, "dropout": 0.0}
    course = course_of("TransformerSVC", ["l1", "ssim"], encoder=encoder)
    assert course[-1] < 0.8 * course[0]
    assert not model_of("TransformerSVC").options()


@pytest.mark.parametrize("kind", ["conformer", "transformer"])
def test_a_padded_row_in_one_pass_is_as_it_is_alone(kind):
    encoder = {"kind": kind, "layers": 1, "filter": 16}
    model = model_of("TransformerSVC", encoder=encoder)
    given = inputs(rows=2)
    frames = torch.tensor([20, 14])
    together = model.infer(*given, frames)
    own = second_row(given, 14)
    alone = model.infer(*own)
    shared = together["mel"][1:, :14]
    torch.testing.assert_close(shared, alone["mel"], rtol=1e-4, atol=1e-4)


def test_published_attention_sees_the_padding():
    condition = {**svc.CONDITION, "see_padding": True}
    encoder = {"kind": "transformer", "layers": 1, "filter": 16}
    model = model_of("TransformerSVC", condition=condition, encoder=encoder)
    given = inputs(rows=2)
    together = model.infer(*given, torch.tensor([20, 14]))
    alone = model.infer(*second_row(given, 14))
    assert (together["mel"][1:, :14] - alone["mel"]).abs().max() > 1e-3


def test_mels_that_are_alike_are_built_alike():
    random = torch.Generator().manual_seed(0)
    mel = torch.randn(2, 30, 20, generator=random)
    smooth = (mel + mel.roll(1, 1)) / 2
    same = dissimilarity(mel, mel)
    near = dissimilarity(mel, smooth)
    far = dissimilarity(mel, -mel)
    assert same.abs().max() < 1e-4
    assert 0.2 < near.mean() < far.mean()
    lengths = torch.tensor([12, 12])
    mask = valid(lengths, 30)
    other = mel.masked_fill(~mask[..., None], 5.0)
    within = dissimilarity(mel, other, mask)
    assert within.abs().max() < 1e-4


# DiffComoSVC

COMO = {"encoder": {"layers": 1, "filter": 16, "dropout": 0.0}, "stack": {"channels": 48, "layers": 2}}
STAGES = {
    "teacher": {"max_steps": 3, "parts": ["condition_encoder", "encoder", "teacher"]},
    "student": {"max_steps": 2, "parts": ["student"]},
}


def calls_of(network, convert):
    """How often `convert` asks a network."""
    calls = []
    hook = network.register_forward_pre_hook(lambda *_: calls.append(1))
    convert()
    hook.remove()
    return len(calls)


def test_the_guess_and_the_teacher_learn():
    course = course_of("DiffComoSVC", ["ssim", "diffusion"], updates=80, **COMO)
    assert sum(course[-5:]) < 0.8 * sum(course[:5])


def test_the_student_converts_in_one_step_and_the_teacher_in_forty():
    model = model_of("DiffComoSVC", distil=True)
    given = inputs()

    def plainly():
        model.infer(*given, seed=0)

    assert calls_of(model.teacher, plainly) == 40, "auto, before the student was trained"
    assert calls_of(model.teacher, lambda: model.infer(*given, sampler="heun", steps=5)) == 9
    model.stage = "student"
    model.begin_stage()
    assert calls_of(model.student, plainly) == 1
    assert calls_of(model.teacher, plainly) == 0
    assert calls_of(model.student, lambda: model.infer(*given, steps=3)) == 3


def test_the_student_begins_as_its_teacher_and_follows_it():
    model = model_of("DiffComoSVC", distil=True, **COMO).train()
    model.stage = "student"
    model.begin_stage()
    for name, value in model.teacher.state_dict().items():
        assert torch.equal(value, model.student.state_dict()[name])
    model.averages = {"student": Target(model.student, 0.95)}
    losses = model(make_batch([24, 17], 256))
    assert losses.keys() == {"distil"}
    losses["distil"].backward()
    assert model.student.neural_network.input[0].weight.grad.abs().max() > 0
    assert model.teacher.neural_network.input[0].weight.grad is None


def test_at_the_least_noise_a_student_gives_the_mel_back():
    model = model_of("DiffComoSVC", distil=True)
    guess = torch.randn(2, 9, BANDS)
    mel = torch.randn(2, 9, BANDS)
    student = model.denoiser(model.student, guess, None)
    least = torch.full((2,), model.karras.sigma_min)
    torch.testing.assert_close(student(mel, least), mel)


def test_a_padded_row_of_the_student_is_as_it_is_alone():
    model = model_of("DiffComoSVC", distil=True)
    noise = torch.randn(2, 2, 20, BANDS)
    given = inputs(rows=2)
    how = {"sampler": "consistency", "steps": 2}
    frames = torch.tensor([20, 14])
    together = model.infer(*given, frames, noise=noise, **how)
    own = second_row(given, 14)
    alone = model.infer(*own, noise=noise[:, 1:, :14], **how)
    shared = together["mel"][1:, :14]
    torch.testing.assert_close(shared, alone["mel"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("steps", [0, -1])
@pytest.mark.parametrize("sampler", ["consistency", "euler"])
def test_fewer_steps_than_one_are_named_as_they_are(sampler, steps):
    with pytest.raises(ValueError, match=f"steps: 1 or more are needed, got {steps}"):
        model_of("DiffComoSVC", distil=True).infer(*inputs(), steps=steps, sampler=sampler)


def test_a_sampler_of_another_model_is_named_with_the_choices():
    with pytest.raises(ValueError, match="sampler: there is no 'ddim'. Choices: auto, consistency, euler, heun"):
        model_of("DiffComoSVC").infer(*inputs(), sampler="ddim")
    with pytest.raises(ValueError, match="method: there is no 'ddim'. Choices: heun, euler"):
        Karras().sample(lambda batch, sigma: batch, torch.ones(1, 2), 2, "ddim")


def test_a_student_that_there_is_not_is_said():
    model = model_of("DiffComoSVC")
    with pytest.raises(ValueError, match="this model has none: choose"):
        model.infer(*inputs(), sampler="consistency")
    model.stage = "student"
    with pytest.raises(ValueError, match="set model.distil to true"):
        model.begin_stage()
    with pytest.raises(ValueError, match="distillation.levels: 2 or more"):
        model_of("DiffComoSVC", distillation={"levels": 1})


def test_one_config_trains_teacher_and_student_one_after_the_other(tmp_path):
    folder = make_corpus(tmp_path, [1.0] * 6)
    features = {"mel": {"n_mel": 20, "n_fft": 512, "win_size": 512}, "f0": {}, "energy": {}, "words": {}}
    config = toy_config(
        folder,
        model_type="DiffComoSVC",
        preprocess={"features": {"audio": None, **features}},
        model={"contents": ["words"], "condition": svc.CONDITION, "distil": True, **COMO},
        train={"max_steps": None, "stages": STAGES, "keep_last": 9, "save_every": 1, "valid_every": 3},
    )
    experiment = Experiment.read(config)
    extract(experiment, jobs=1)
    trainer = Trainer(experiment, "a")
    trainer.fit()
    first, last = (read_weights(trainer.checkpoints.run / f"checkpoint/step-{step:08d}/model.safetensors") for step in (3, 5))
    moved = {name.split(".")[0] for name in first if not torch.equal(first[name], last[name])}
    assert moved == {"student", "distilled"} and bool(last["distilled"])
    teacher = {name: value for name, value in last.items() if name.startswith("teacher.")}
    away = [(last[name.replace("teacher.", "student.")] - value).abs().max().item() for name, value in teacher.items()]
    assert 0 < max(away) < 0.05, "it began as the teacher, and moved"
