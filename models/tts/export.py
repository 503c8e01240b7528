"""A text-to-speech model as one ONNX file, from the ids of a text to samples or a mel; checked against PyTorch before it is kept.

Inputs: `phone` (1, tokens), `speaker` (1,) where there are several, each control of the model (1,), and of VITS what it draws,
standard normal: `duration_draws` (1, 2, tokens) where it draws durations, and `prior_draws` (1, latent, any), begun anew where the
text has more frames. Outputs: `samples` (1, samples) or `mel` (1, frames, n_mel), and `duration` (1, tokens) in frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from models.tts.fastspeech2 import FastSpeech2
from models.tts.jets import Jets
from models.tts.vits import VITS
from models.vocoders.decoding import decode_each
from models.vocoders.export import OPSET, TOLERANCE, packages, quiet
from modules.noise import Noise
from utils.files import write_json, write_whole

if TYPE_CHECKING:
    from models.tts.task import TTS

KINDS = (FastSpeech2, Jets, VITS)
TRACED = 12  # tokens of the example that is traced
TRIED = (1, 7, 50)  # those that the file must get right
DRAWN = {"duration_draws": "duration", "prior_draws": "prior"}  # inputs, and the names of these draws in the model
FRAMES = 64  # of the draws that are tried


def export(tts: TTS, path: str | Path) -> float:
    """Writes `tts` to `path`, and what its ids mean to the same name with .json; returns the largest difference to PyTorch.

    Raises ValueError when the suffix is not .onnx, for a model of another kind, when a package is missing, and when the file does
    not say what PyTorch says: then nothing is left behind.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise ValueError(f"{path}: the name of an ONNX file must end in .onnx.")
    if not isinstance(tts.model, KINDS):
        names = ", ".join(kind.__name__ for kind in KINDS)
        raise ValueError(f"{tts.name} speaks step by step: of TTS models only {names} can be exported.")
    packages()
    differences = []

    def write(part: Path) -> None:
        _trace(tts, part)
        differences.extend(difference(tts, part, tokens, seed) for seed, tokens in enumerate(TRIED))
        worst = max(differences)
        if not worst <= TOLERANCE:
            raise ValueError(f"{tts.name}: the exported file is {worst:.2g} off PyTorch, more than {TOLERANCE}: nothing is kept.")

    write_whole(path, write)
    write_json(path.with_suffix(".json"), described(tts))
    return max(differences)


def difference(tts: TTS, path: str | Path, tokens: int, seed: int) -> float:
    """How far the file is from PyTorch on random ids, speaker and controls; relative to the largest number where that is above 1.

    Infinite where a duration differs.
    """
    from utils.onnx_network import open_session

    inputs = example(tts, tokens, seed)
    arrays = {name: value.cpu().numpy() for name, value in inputs.items()}
    session = open_session(Path(path), threads=0)
    known = {entry.name for entry in session.get_inputs()}
    fed = {name: array for name, array in arrays.items() if name in known}
    try:
        outputs = session.run(None, fed)
    except Exception as error:  # noqa: BLE001 (onnxruntime's errors have no class of their own that says so)
        raise ValueError(f"{tts.name}: onnxruntime cannot run the file on {tokens} tokens: {error}") from error
    made, lasting = map(torch.from_numpy, outputs)
    network = Network(tts)
    expected, expected_lasting = network(*inputs.values())
    expected = expected.cpu()
    same = torch.equal(lasting, expected_lasting.cpu())
    if made.shape != expected.shape or not same:
        return float("inf")
    largest = (made - expected).abs().max()
    scale = expected.abs().max().clamp(min=1)
    return float(largest / scale)


def example(tts: TTS, tokens: int, seed: int = 0) -> dict[str, Tensor]:
    """Random inputs of the model, on its device."""
    random = torch.Generator().manual_seed(seed)
    facts = tts.card["facts"]
    phone = torch.randint(facts["n_vocab"], (1, tokens), generator=random)
    inputs = {"phone": phone}
    speakers = facts.get("n_speakers", 1)
    if speakers > 1:
        inputs["speaker"] = torch.randint(speakers, (1,), generator=random)
    for name, default in controls(tts).items():
        part = torch.rand(1, generator=random)
        inputs[name] = default * (0.7 + 0.6 * part)
    for name, (_, channels, counted) in draws(tts).items():
        size = tokens if counted == "tokens" else FRAMES
        inputs[name] = torch.randn(1, channels, size, generator=random)
    for name, value in inputs.items():
        inputs[name] = value.to(tts.device)
    return inputs


def controls(tts: TTS) -> dict[str, float]:
    """The numbers that a user may choose, with their defaults."""
    options = tts.model.options().items()
    named = {name: option.default for name, option in options if isinstance(option.default, float)}
    if isinstance(tts.model, VITS) and not tts.model.stochastic:
        named.pop("duration_noise")
    return named


def draws(tts: TTS) -> dict[str, tuple[int, int, str]]:
    """The sizes of what is drawn: batch, channels, and what the last axis counts."""
    model = tts.model
    if not isinstance(model, VITS):
        return {}
    drawn = {"duration_draws": (1, 2, "tokens")} if model.stochastic else {}
    return drawn | {"prior_draws": (1, model.enc_p.proj.out_channels // 2, "any")}


def described(tts: TTS) -> dict[str, Any]:
    """What someone who feeds the file must know: the id of each symbol, how the front end makes them, the rate and the inputs."""
    phone = tts.features.features["phone"]
    settings = tts.card["preprocess"]["features"]
    return {
        "model_type": tts.name,
        "sample_rate": tts.rate,
        "hop_size": tts.features.hop_size,
        "language": phone.language or tts.card.get("language", "en-us"),
        "front_end": {"g2p": phone.g2p, "symbols": phone.symbols},
        "symbols": phone.ids,
        "blanks": phone.blanks,
        "speakers": tts.voices or [],
        "controls": controls(tts),
        "draws": draws(tts),
        "mel": settings.get("mel") or {},
    }


class Given(Noise):
    """Draws that are inputs of the graph; those of frames begin anew where they are too few."""

    def normal(self, *sizes: int, name: str = "") -> Tensor:
        drawn = self.given[name]
        places = torch.arange(sizes[2], device=drawn.device)
        return drawn[:, :, places % drawn.shape[2]]


class Network(nn.Module):
    """What is traced: the folded network's `infer` for one text."""

    def __init__(self, tts: TTS) -> None:
        super().__init__()
        self.network = tts.network
        self.names = list(example(tts, 1))

    @torch.enable_grad()  # without, layers work in place, of which a tracer loses sight; no parameter wants one
    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        named = dict(zip(self.names, inputs, strict=True))
        given = {draw: named.pop(name) for name, draw in DRAWN.items() if name in named}
        ones = torch.ones_like(named["phone"])
        named["tokens"] = ones.sum(1)
        named.setdefault("speaker", None)
        if given:
            out = self._spoken(named, given)
        else:
            infer = self.network.traceable()
            out = infer(**named)
        made = "audio" if "audio" in out else "mel"
        return out[made], out["duration"]

    def _spoken(self, named: dict[str, Any], given: dict[str, Tensor]) -> dict[str, Tensor]:
        """What VITS says when all that it draws is given."""
        network = self.network
        named.setdefault("duration_noise", 1.0)  # unused where durations are not drawn
        draw = Given(given=given)
        out = network.plan(draw=draw, **named)
        voice = network.voice(named["speaker"], 1)
        sound = decode_each(network.dec, out["z"], out["frames"], voice)
        return out | sound


def _trace(tts: TTS, path: Path) -> None:
    inputs = example(tts, TRACED)
    made = "mel" if isinstance(tts.model, FastSpeech2) else "samples"
    places = "frames" if made == "mel" else "samples"
    axes = {"phone": {1: "tokens"}, "duration": {1: "tokens"}, made: {1: places}}
    axes |= {name: {2: kind} for name, (_, _, kind) in draws(tts).items()}
    try:
        with quiet():
            torch.onnx.export(
                Network(tts).eval(), tuple(inputs.values()), str(path), dynamo=False, opset_version=OPSET,
                input_names=list(inputs), output_names=[made, "duration"], dynamic_axes=axes,
            )  # fmt: skip
    except (RuntimeError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{tts.name} holds an operation that ONNX lacks: {reason}") from error
