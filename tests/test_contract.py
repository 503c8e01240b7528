"""Every model of the table is what `models.base.model` says a model is, and what it says of itself is so."""

import copy
import typing

import pytest
import torch

from models import MODELS
from models.base.experiment import build_model
from models.base.model import Model, keyword_options
from models.base.options import kinds
from models.base.tables import tables
from processors.features import FEATURES
from tests import svc
from tests.test_models import CAPTION, CLASSES, CODEC, OURS, SYMBOLS, card_of
from utils.registry import load_object

FRAMES = 12
SPEAKING = {"WaveNet": {"speaker_channels": 8}}  # what makes a model tell speakers apart where its recipe does not
MODELS_BY_NAME = {name: load_object(MODELS[name].model) for name in OURS}


def model_of(name, **settings):
    torch.manual_seed(0)
    card = card_of(name)
    card["model"] = {**card["model"], **settings}
    return build_model(card).eval()


def inputs_of(model, frames=FRAMES):
    """What `infer` works on, for one utterance."""
    random = torch.Generator().manual_seed(frames)
    known = {
        "mel": torch.randn(1, frames, 80, generator=random) * 2 - 4,
        "f0": 90 + 200 * torch.rand(1, frames, generator=random),
        "phone": torch.randint(1, len(SYMBOLS), (1, frames), generator=random),
        "energy": 60 * torch.rand(1, frames, generator=random),
        "contents": {name: torch.randn(1, frames, channels, generator=random) for name, channels in svc.CHANNELS.items()},
        "frames": torch.tensor([frames]),
        "speaker": torch.tensor([1]),
        "tokens": torch.tensor([frames]),
        "prompt_codec": torch.randint(0, CODEC["codebook_size"], (1, frames, CODEC["codebooks"]), generator=random),
        "prompt_tokens": torch.tensor([2]),
        "prompt_frames": torch.tensor([frames]),
        "audio": 0.3 * torch.randn(1, 320 * frames, generator=random),
        "caption": torch.randn(1, 3, CAPTION["caption_channels"], generator=random),
        "negative": torch.randn(1, 2, CAPTION["caption_channels"], generator=random),
        "events": torch.randint(0, 2, (1, frames, len(CLASSES)), generator=random).float(),
        "start": None,
        "keep": None,
    }
    if "negative" in model.inputs():
        known["frames"] = frames
    return {name: known[name] for name in model.inputs()}


def sound(model, inputs, **drawn):
    """Everything that `infer` gives, as one row of numbers."""
    seed = {"seed": 5} if "seed" in model.options() else {}
    torch.manual_seed(5)
    out = model.infer(**inputs, **drawn, **seed)
    tensors = out.values() if isinstance(out, dict) else [out]
    return torch.cat([tensor.float().flatten() for tensor in tensors])


@pytest.mark.parametrize("name", OURS)
def test_it_is_a_model_and_reads_features(name):
    cls = MODELS_BY_NAME[name]
    assert issubclass(cls, Model) and cls.__name__ == name
    assert cls.reads and set(cls.reads) <= set(FEATURES) and set(cls.statistics_of) <= set(cls.reads)
    assert set(cls.features_of(card_of(name)["model"])) <= set(FEATURES)


@pytest.mark.parametrize("name", OURS)
def test_its_options_are_for_users_and_what_is_drawn_is_not(name):
    cls = MODELS_BY_NAME[name]
    every = keyword_options(cls.infer)
    assert set(cls.draws) <= set(every) and cls.options().keys() == every.keys() - set(cls.draws)
    for option, parameter in cls.options().items():
        assert parameter.default is not parameter.empty, f"{name}: {option} has no default"
        for kind in kinds(parameter.annotation):
            assert kind in (int, float, str, bool, type(None)) or typing.get_origin(kind) is typing.Literal, f"{name}: {option}"
        assert f"`{option}`" in cls.infer.__doc__, f"{name}: the docstring of infer does not tell what {option} does"


@pytest.mark.parametrize("name", OURS)
def test_its_tables_have_a_row_for_each_symbol_and_speaker(name):
    model = model_of(name, **SPEAKING.get(name, {}))
    state = model.state_dict()
    expected = {"symbols": len(SYMBOLS), "speakers": 2}
    there = tables(model)
    assert set(there.values()) == model.tables.keys()
    for tensor, kind in there.items():
        assert len(state[tensor]) == expected[kind], tensor


@pytest.mark.parametrize("name", OURS)
def test_prepared_it_says_the_same(name):
    model = model_of(name)
    inputs = inputs_of(model)
    before = sound(model, inputs)
    prepared = copy.deepcopy(model).prepared()
    assert isinstance(prepared, type(model).__mro__[0]) or type(prepared).__name__ == name
    assert not any("parametrizations" in key for key in prepared.state_dict())
    torch.testing.assert_close(sound(prepared, inputs), before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", OURS)
def test_what_it_compiles_is_a_method_of_its(name):
    model = model_of(name)
    part, _, method = model.compiles.rpartition(".")
    assert callable(getattr(model.get_submodule(part), method))


@pytest.mark.parametrize("name", OURS)
def test_a_frame_reaches_as_far_as_it_says(name):
    model = model_of(name)
    reach = model.receptive_field_frames
    if reach is None:
        pytest.skip("each frame may have a say in all of the sound")
    frames = 4 * reach + 8
    inputs = inputs_of(model, frames)
    drawn = model.drawn(inputs, seed=5, first=0)
    moved = inputs | {"mel": inputs["mel"].clone()}
    moved["mel"][:, 2 * reach] += 1
    before = sound(model, inputs, **drawn)
    after = sound(model, moved, **drawn)
    changed = torch.nonzero(before != after)[:, 0] * frames // len(before)
    assert reach <= changed.min() and changed.max() <= 3 * reach
    furthest = max(2 * reach - changed.min(), changed.max() - 2 * reach)
    assert reach <= 2 * furthest  # no idle boast either


DRAWING = [name for name in OURS if MODELS_BY_NAME[name].draws and model_of(name).receptive_field_frames is not None]


@pytest.mark.parametrize("name", DRAWING)
def test_what_it_draws_does_not_depend_on_the_pieces(name):
    model = model_of(name)
    inputs = inputs_of(model, 40)
    whole = model.drawn(inputs, seed=5, first=0)
    other = model.drawn(inputs, seed=6, first=0)
    piece = {**inputs, "mel": inputs["mel"][:, 11:]}  # of the F0, all from the beginning
    part = model.drawn(piece, seed=5, first=11)
    for drawn, value in whole.items():
        each = value.shape[-1] // 40
        torch.testing.assert_close(part[drawn], value[..., 11 * each :], rtol=0, atol=1e-6)
        assert (other[drawn] - value).abs().max() > 1e-3
