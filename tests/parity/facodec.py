"""FACodec against Amphion's, part by part: that of 16 kHz (amphion-ns3) and that of 24 kHz (amphion-facodec), small and at full size."""

from __future__ import annotations

import json
import zlib

import numpy as np
import torch
from torch import nn

from models.base.task import fit_weights
from models.codec.facodec import FACodec
from models.upstream import facodec as reader
from models.upstream import facodec_24khz as reader_24khz
from processors.filters import filter_bank
from tests.conftest import SHARED
from tests.parity import close, compare, open_case
from utils.config import build

MANIFESTS = SHARED / "parity/manifests"
CALLS = 12  # of a network whose LSTM goes on, until the file is surely met


class Carried:
    """The LSTM of the published one goes on, in use, from where the call before ended, whatever was coded then.

    The files were written by a network that had been called some times. Here it begins anew with every sound; to compare, this carries
    the state over.
    """

    def __init__(self, network: nn.Module) -> None:
        self.states: dict[nn.Module, tuple] = {}
        for module in network.modules():
            if isinstance(module, nn.LSTM):
                module.register_forward_pre_hook(self.before)
                module.register_forward_hook(self.after)

    def before(self, lstm, given):
        return (given[0], self.states.get(lstm))

    def after(self, lstm, given, answer):
        self.states[lstm] = answer[1]


def drawn(case, name: str) -> dict[str, torch.Tensor]:
    """The weights in the file, or made by its rule for the keys of the manifest."""
    if not case.procedural:
        return case.weights
    manifest = json.loads((MANIFESTS / f"{name}.json").read_text())
    shapes = {key: tuple(shape) for key, (shape, _) in manifest["keys"].items()}
    unused = ("x_timbre_predictor.", "f0_predictor.", "phone_predictor.", "res_")
    shapes = {key: shape for key, shape in shapes.items() if not key.startswith(unused)}
    computed = {key: torch.zeros(shapes[key]) for key in manifest["buffers"] if key in shapes}
    state = case.state(shapes, computed)
    for key, value in state.items():
        if key.endswith((".alpha", ".beta")):
            draw = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(value.shape).astype(np.float32)
            state[key] = 0.2 * torch.from_numpy(draw)
            state[key] = state[key] if case.metadata["snake"] == "log" else state[key].exp()
    return state


def whole_model(arguments: dict, facts: dict, rate: int) -> FACodec:
    """A model of these arguments; what a file says nothing of is small."""
    ratios = {reader.RATE: [5, 5, 4, 2], reader_24khz.RATE: [6, 5, 5, 2]}
    small = {"filters": 2, "decoder_filters": 16, "latent": 8, "ratios": ratios[rate]}
    arguments["dac"] = small | arguments["dac"]
    hop = int(np.prod(arguments["dac"]["ratios"]))
    torch.manual_seed(0)
    arguments = json.loads(json.dumps(arguments))
    return build(FACodec, arguments, {"sample_rate": rate, "hop_size": hop, **facts}).eval()


def fitted(model: FACodec, state: dict[str, torch.Tensor], procedural: bool) -> FACodec:
    """The weights into the parts that they are of, all of each part; the filters must be ours."""
    own = model.state_dict()
    for key in [key for key in state if key.endswith("filter")]:
        if procedural:
            state[key] = own[key]
        close(own[key], state[key], key, 1e-6)
    parts = {key.split(".")[0] for key in state}
    for part in parts:
        weights = {key.removeprefix(f"{part}."): value for key, value in state.items() if key.startswith(f"{part}.")}
        fit_weights(model.get_submodule(part), weights, part)
    return model


def positioned(arguments: dict, positions: str) -> dict:
    """The arguments with transformers as they were published: what an item is given depends on its place in the batch."""
    for section in arguments.values():
        if isinstance(section, dict):
            positioned(section, positions)
    if "positions" in arguments:
        arguments["positions"] = positions
    return arguments


def ns3(case, name: str, names) -> FACodec:
    """Ours of a file of the 16 kHz one."""
    state = reader.translated(drawn(case, name), names)
    heads = case.config.get("hardcoded_overrides", {}).get("transformer_heads", reader.HEADS)
    arguments, facts = reader.from_ns3(state, heads)
    model = whole_model(positioned(arguments, "item"), facts, reader.RATE)
    return fitted(model, state, case.procedural)


@torch.no_grad()
def ns3_encoder(path):
    case = open_case(path)
    name = path.stem.removeprefix("fullsize_")
    state = drawn(case, name)
    check_tables(state)
    model = ns3(case, name, reader.ENCODER)
    audio = case.given["wav"]
    made = {"z": model.encoder(audio)}
    if "prosody_feature" in case.wanted:
        made["prosody_feature"] = model._mel(audio)[:, :20]
    compare(case, made)


def check_tables(state):
    """What is kept with the weights of the mel is what is worked out here."""
    bank = state.get("mel_transform.mel_basis")
    if bank is None or not bank.any():
        return
    mel = {**reader.MEL, "sample_rate": reader.RATE, "fmin": 0.0}
    sizes = {name: mel[name] for name in ("sample_rate", "n_fft", "n_mel", "fmin", "fmax")}
    close(filter_bank(**sizes).t(), bank, "mel_basis", 1e-6)
    close(torch.hann_window(mel["win_size"]), state["mel_transform.hann_window"], "hann_window", 1e-6)


@torch.no_grad()
def ns3_decoder(path):
    case = open_case(path)
    model = ns3(case, path.stem.removeprefix("fullsize_"), reader.DECODER)
    latent = case.given["z"]
    prosody = latent
    if "prosody_feature" in case.given:
        prosody = model.prosody(case.given["prosody_feature"])
    quantized = model.quantizer(latent, prosody)
    codes = model.quantizer.encode(latent, prosody)
    timbre = model.timbre(latent)
    total = quantized.prosody + quantized.content + quantized.residual
    wave = model.decoder(model.voice(total, timbre))
    made = {"codes": codes.transpose(0, 1), "spk": timbre, "vq_post_emb": total, "wav": wave, "pred_audio": wave}
    made |= {f"quantized_{factor}": getattr(quantized, factor) for factor in ("prosody", "content", "residual")}
    made["vq2emb"] = model.quantizer.decode(codes)
    made["vq2emb_no_residual"] = model.quantizer.decode(codes[:, : model.quantizer.least])
    made |= told(model.predictors, quantized, total) if "pred_f0" in case.wanted else {}
    assert torch.equal(codes.transpose(0, 1), case.wanted["codes"])
    compare(case, made)


def told(predictors, quantized, total):
    """What each predictor answers, under the reference's names."""
    pitch, voicing = predictors.f0(quantized.prosody)
    other_pitch, other_voicing = predictors.reversed_f0(quantized.residual)
    return {
        "pred_f0": pitch[..., 0],
        "pred_uv": voicing[..., 0],
        "pred_res_f0": other_pitch[..., 0],
        "pred_res_uv": other_voicing[..., 0],
        "pred_phone": predictors.phone(quantized.content)[0],
        "pred_res_phone": predictors.reversed_phone(quantized.residual)[0],
        "pred_x_timbre": predictors.reversed_speaker(total)[0],
    }


@torch.no_grad()
def ns3_redecoder(path):
    case = open_case(path)
    model = ns3(case, path.stem.removeprefix("fullsize_"), reader.REDECODER).redecoder
    codes = case.given["codes"].transpose(0, 1)
    timbre = case.given["spk"]
    made = {}
    for residual in (True, False):
        emb = model.embedded(codes, timbre, residual=residual)
        wave = model(codes, timbre, residual=residual)
        kind = "" if residual else "_no_residual"
        made |= {f"emb{kind}": emb, f"wav{kind}": wave}
    if "emb_with_residual" in case.wanted:  # at full size, what has no other name is without
        made = {"emb_with_residual": made["emb"], "emb": made["emb_no_residual"], "wav": made["wav_no_residual"]}
    compare(case, made)


# The one of 24 kHz


def amphion(case, name: str, network: str) -> FACodec:
    """Ours of a file of the 24 kHz one."""
    state = reader_24khz.network(network, drawn(case, name))
    settings = case.config
    arguments, facts = reader_24khz.from_amphion(state, settings.get("causal", True))
    model = whole_model(arguments, facts, reader_24khz.RATE)
    return fitted(model, state, case.procedural)


def goes_on(case, network: nn.Module, given: str, wanted: str):
    """The file is what one of the first calls gives."""
    Carried(network)
    errors = []
    for _ in range(CALLS):
        answer = network(case.given[given])
        errors.append(float((answer - case.wanted[wanted]).abs().max()))
        if errors[-1] <= 1e-4 * max(1.0, float(case.wanted[wanted].abs().max())):
            return compare(case, {wanted: answer})
    raise AssertionError(f"{wanted}: no call gives it, off by {errors}")


@torch.no_grad()
def encoder(path):
    case = open_case(path)
    model = amphion(case, path.stem.removeprefix("fullsize_"), "encoder")
    goes_on(case, model.encoder, "wav", "z")


@torch.no_grad()
def decoder(path):
    case = open_case(path)
    model = amphion(case, path.stem.removeprefix("fullsize_"), "decoder")
    goes_on(case, model.decoder, "z", "wav")


@torch.no_grad()
def quantizer(path):
    case = open_case(path)
    model = amphion(case, path.stem.removeprefix("fullsize_"), "quantizer")
    audio = case.given["wav"]
    latent = case.given["z"]
    prosody = model._prosody(audio, latent)
    quantized = model.quantizer(latent, prosody)
    codes = model.quantizer.encode(latent, prosody)
    timbre = model._timbre(audio, latent)
    spoken = quantized.prosody + quantized.content
    made = {"mel80": model._mel(audio), "timbre": timbre, "z_q": model.voice(spoken + quantized.residual, timbre)}
    made |= {f"quantized_{factor}": getattr(quantized, factor) for factor in ("prosody", "content", "residual")}
    counts = model.quantizer.books.counts
    for factor, part in zip("pcr", codes.split(counts, 1), strict=True):
        made[f"codes_{factor}"] = part
        assert torch.equal(part, case.wanted[f"codes_{factor}"])
    made["voice_conversion_item0"] = model.voice(spoken[:1], timbre[:1])
    made["voice_conversion"] = model.voice(spoken, timbre)
    compare(case, made)


CASES = {
    f"{size}{name}": check
    for size in ("", "fullsize_")
    for name, check in {
        "facodec_encoder*__amphion-ns3*": ns3_encoder,
        "facodec_decoder*__amphion-ns3*": ns3_decoder,
        "facodec_redecoder__amphion-ns3*": ns3_redecoder,
        "facodec_encoder__amphion-facodec*": encoder,
        "facodec_decoder__amphion-facodec*": decoder,
        "facodec_quantizer__amphion-facodec*": quantizer,
    }.items()
}
