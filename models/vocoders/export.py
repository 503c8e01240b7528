"""A vocoder as one ONNX file, which runs where there is no PyTorch; checked against PyTorch before it is kept.

Inputs and outputs: mel (batch, frames, n_mel), what else the model reads, samples (batch, frames * hop_size), for any number
of frames. The file's metadata name the model and the settings of its mel.
"""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from utils.files import write_whole

if TYPE_CHECKING:
    from models.vocoders.task import Vocoder

OPSET = 18
TRACED = (1, 24)  # batch and frames of the example that is traced
TRIED = ((1, 1), (1, 7), (3, 60))  # those that the file must get right
TOLERANCE = 1e-4
NEEDS = "writing ONNX needs the packages onnx and onnxruntime: pip install -e '.[onnx]'"


def export(vocoder: Vocoder, path: str | Path) -> float:
    """Writes `vocoder` to `path`; returns the largest difference to PyTorch, relative to the largest sample where that is above 1.

    Raises ValueError when the suffix is not .onnx, when the model is no convolution over frames, when a package is missing,
    and when the file does not say what PyTorch says: then nothing is left behind.
    """
    path = Path(path)
    differences = []
    if path.suffix != ".onnx":
        raise ValueError(f"{path}: the name of an ONNX file must end in .onnx.")
    if vocoder.reach is None:
        raise ValueError(f"{vocoder.name} makes sound step by step: only vocoders that are convolutions over frames can be exported.")
    if "noise" in vocoder.model.draws:
        raise ValueError(f"{vocoder.name} makes sound from noise: only vocoders that draw nothing can be exported.")
    packages()

    def write(part: Path) -> None:
        _trace(vocoder, part)
        _describe(vocoder, part)
        for batch, frames in TRIED:
            frames = max(frames, shortest(vocoder))
            differences.append(difference(vocoder, part, batch, frames))
        worst = max(differences)
        if not worst <= TOLERANCE:
            raise ValueError(f"{vocoder.name}: the exported file is {worst:.2g} off PyTorch, more than {TOLERANCE}: nothing is kept.")

    write_whole(path, write)
    return max(differences)


def difference(vocoder: Vocoder, path: str | Path, batch: int, frames: int) -> float:
    """How far the file's samples are from PyTorch's on random input of that size."""
    packages()
    from utils.onnx_network import open_session

    inputs = example(vocoder, batch, frames)
    arrays = {name: value.cpu().numpy() for name, value in inputs.items()}
    session = open_session(Path(path), threads=0)
    try:
        outputs = session.run(None, arrays)
    except Exception as error:  # noqa: BLE001 (onnxruntime's errors have no class of their own that says so)
        raise ValueError(f"{vocoder.name}: onnxruntime cannot run the file on {frames} frames: {error}") from error
    samples = torch.from_numpy(outputs[0])
    expected = Network(vocoder)(*inputs.values()).cpu()
    if samples.shape != expected.shape:
        return float("inf")
    largest = (samples - expected).abs().max()
    scale = expected.abs().max().clamp(min=1)
    return float(largest / scale)


def shortest(vocoder: Vocoder) -> int:
    """The least number of frames that a file can take: a file cannot hold on what is too short to be mirrored, as MelGAN does."""
    return vocoder.network.least_frames


def example(vocoder: Vocoder, batch: int, frames: int) -> dict[str, Tensor]:
    """Random input of the model, on its device."""
    random = torch.Generator().manual_seed(batch * 1000 + frames)
    mel = torch.randn(batch, frames, vocoder.mel_settings.n_mel, generator=random) - 4
    inputs = {"mel": mel.to(vocoder.device)}
    if vocoder.reads_f0:
        f0 = 100 + 200 * torch.rand(batch, frames, generator=random)
        inputs["f0"] = f0.to(vocoder.device)
    draws = vocoder.network.drawn(inputs, seed=0, first=0)
    if draws:  # a source holds all that the F0 has to say
        inputs.pop("f0")
    return inputs | draws


class Network(nn.Module):
    """What is traced: the folded network's `infer`, without the mode that tracing cannot look into."""

    def __init__(self, vocoder: Vocoder) -> None:
        super().__init__()
        self.network = vocoder.network
        self.names = list(example(vocoder, 1, 1))
        self.infer = self.network.traceable()

    @torch.no_grad()
    def forward(self, *inputs: Tensor) -> Tensor:
        named = dict(zip(self.names, inputs, strict=True))
        absent = dict.fromkeys(set(self.network.inputs()) - named.keys())
        return self.infer(**named, **absent)


def _trace(vocoder: Vocoder, path: Path) -> None:
    inputs = example(vocoder, *TRACED)
    axes = {"samples": {0: "batch", 1: "samples"}}
    for name in inputs:
        axes[name] = {0: "batch", 2: "source_samples"} if name == "source" else {0: "batch", 1: "frames"}
    try:
        with quiet():
            # The tracing exporter: the newer one needs another package, and a minute where this one needs seconds.
            torch.onnx.export(
                Network(vocoder).eval(), tuple(inputs.values()), str(path), dynamo=False, opset_version=OPSET,
                input_names=list(inputs), output_names=["samples"], dynamic_axes=axes,
            )  # fmt: skip
    except (RuntimeError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{vocoder.name} holds an operation that ONNX lacks: {reason}") from error


def _describe(vocoder: Vocoder, path: Path) -> None:
    """Adds what someone who feeds the file must know."""
    import onnx

    mel = asdict(vocoder.mel_settings)
    facts = {"model_type": vocoder.name, "sample_rate": vocoder.rate, "hop_size": vocoder.hop_size, "mel": mel}
    facts["least_frames"] = shortest(vocoder)
    metadata = {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def packages() -> tuple[Any, Any]:
    """onnx and onnxruntime. Raises ValueError where one is missing."""
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ValueError(f"{NEEDS} ({error.name} is missing).") from error
    return onnx, onnxruntime


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of tracing: sizes that follow from the model are constants, and the check finds any other."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
