"""A song of ten minutes: what is long is worked out in pieces, which take little memory and are the whole."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from models.svc.encoders import MelEncoderSizes
from modules.causal import CausalAttention
from modules.noise import Noise
from modules.source import HarmonicSource
from modules.windows import spans
from tests import svc
from tests.test_svc_models import inputs, model_of

HOP = 12
LIMITS = ("modules.dilated", "modules.source", "modules.attention", "models.svc.encoders", "models.svc.decoding")


def cut_short(monkeypatch):
    """More than 30 frames are long now."""
    for module in LIMITS:
        monkeypatch.setattr(f"{module}.LONG", 30)
    for size in ("modules.dilated.CHUNK", "models.svc.decoding.PIECE", "modules.attention.ROWS", "modules.source.CHUNK"):
        monkeypatch.setattr(size, 16)


def operations(run):
    """The names of torch's operations in a call."""
    with profile(activities=[ProfilerActivity.CPU]) as watched, torch.inference_mode():
        run()
    return {event.key for event in watched.key_averages()}


TRANSFORMER = {"encoder": {"kind": "transformer", "layers": 2, "filter": 16}}
CAUSAL = {"flow": {"flows": 2, "shared": True, "causal": {"layers": 1, "filter": 16}}}
WAYS = [(name, {}, {}) for name in svc.TINY]
WAYS += [
    ("TransformerSVC", TRANSFORMER, {}),
    ("DiffComoSVC", {"distil": True}, {"sampler": "consistency", "steps": 2}),
    ("DiffWaveNetSVC", {"condition": svc.CONDITION | {"conformer": True}}, {"sampler": "ddpm"}),
    ("SoVITS", CAUSAL, {"own_melody": True}),
]


@pytest.mark.parametrize(("name", "settings", "options"), WAYS)
def test_a_long_song_is_the_whole_in_every_part(name, settings, options, monkeypatch):
    model = model_of(name, **settings)
    given = inputs(100)
    if name not in ("TransformerSVC",):
        options = {"seed": 3} | options
    if name.startswith("Diff"):
        options = {"steps": 3} | options
    key = "audio" if name in ("VitsSVC", "SoVITS", "RVC") else "mel"
    whole = model.infer(*given, **options)[key]
    cut_short(monkeypatch)
    pieces = model.infer(*given, **options)[key]
    torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-3)


@pytest.mark.parametrize("masked", [False, True])
def test_a_denoiser_reads_windows_of_a_long_song(masked, monkeypatch):
    model = model_of("DiffWaveNetSVC")
    denoiser = model.denoiser
    noisy = torch.randn(2, 100, model.n_mel)
    condition = torch.randn(2, 100, model.condition_encoder.channels)
    mask = torch.arange(100) < torch.tensor([[100], [57]]) if masked else None
    step = torch.tensor([3.0])
    widths = []
    denoiser.neural_network.register_forward_pre_hook(lambda module, given: widths.append(given[0].shape[3]))
    for shares in (denoiser.conditions(condition), denoiser.kept_conditions(condition)):
        with torch.inference_mode():
            whole = denoiser(noisy, step, shares, mask)
            cut_short(monkeypatch)
            pieces = denoiser(noisy, step, shares, mask)
        monkeypatch.undo()
        torch.testing.assert_close(pieces, whole, rtol=1e-4, atol=1e-5)
    assert set(widths) == {100, 16 + 2 * denoiser.reach}


def test_what_is_trained_on_is_not_cut(monkeypatch):
    denoiser = model_of("DiffWaveNetSVC").denoiser
    widths = []
    denoiser.neural_network.register_forward_pre_hook(lambda module, given: widths.append(given[0].shape[3]))
    cut_short(monkeypatch)
    condition = torch.randn(1, 50, svc.CONDITION["content_width"])
    out = denoiser(torch.randn(1, 50, 80), torch.tensor([3.0]), denoiser.conditions(condition))
    out.sum().backward()
    assert widths == [50]


@pytest.mark.parametrize("phases", ["sample", "frame"])
@pytest.mark.parametrize("drawn", ["generator", "noise", "given"])
def test_the_source_of_a_long_song_goes_on_from_chunk_to_chunk(phases, drawn, monkeypatch):
    source = HarmonicSource(sample_rate=24000, harmonics=2, phases=phases).eval()
    f0 = 200 + 100 * torch.randn(1, 101).cumsum(1).sin()
    f0[:, 40:50] = 0

    def excitation():
        if drawn == "generator":
            return source(f0, HOP, generator=torch.Generator().manual_seed(3))
        given = {} if drawn == "noise" else {"source": torch.ones(1, 101 * HOP, 3)}
        return source(f0, HOP, **source.drawn(f0, HOP, Noise(3, given=given)))

    sizes = []
    excited = source._excited
    monkeypatch.setattr(source, "_excited", lambda *given: sizes.append(given[-1]) or excited(*given))
    with torch.inference_mode():
        whole = excitation()
        cut_short(monkeypatch)
        chunks = excitation()
    assert sizes == [slice(0, 101), *spans(101, 16)]
    torch.testing.assert_close(chunks, whole, rtol=0, atol=1e-5)


def test_sources_side_by_side_draw_as_one(monkeypatch):
    """Rows of a batch are drawn one after another, which chunks of all of them could not be."""
    source = HarmonicSource(sample_rate=24000, harmonics=2).eval()
    f0 = torch.full((2, 64), 200.0)
    with torch.inference_mode():
        whole = source(f0, HOP, generator=torch.Generator().manual_seed(3))
        cut_short(monkeypatch)
        chunks = source(f0, HOP, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(chunks, whole, rtol=0, atol=0)


def test_attention_does_not_weigh_all_pairs_of_places_at_once(monkeypatch):
    cut_short(monkeypatch)
    causal = CausalAttention(16, 2, 0.0).eval()
    encoder = MelEncoderSizes(kind="transformer", layers=1, filter=16).network(16, 8, see_padding=False).eval()
    mask = torch.ones(1, 40, dtype=torch.bool)
    runs = [
        lambda: causal(torch.randn(1, 16, 40)),
        lambda: encoder(torch.randn(1, 40, 16), None),
        lambda: encoder(torch.randn(1, 40, 16), mask),
    ]
    for run in runs:
        names = operations(run)
        assert "aten::_scaled_dot_product_flash_attention_for_cpu" in names
        assert not names & {"aten::softmax", "aten::_softmax", "aten::_transformer_encoder_layer_fwd"}
    assert torch.backends.mha.get_fastpath_enabled()
