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
    path, found = Path(path), []
    if path.suffix != ".onnx":
        raise ValueError(f"{path}: the name of an ONNX file must end in .onnx.")
    if vocoder.reach is None:
        raise ValueError(f"{vocoder.name} makes sound step by step: only vocoders that are convolutions over frames can be exported.")
    if "noise" in vocoder.model.draws:
        raise ValueError(f"{vocoder.name} makes sound from noise: only vocoders that draw nothing can be exported.")
    _packages()

    def write(part: Path) -> None:
        _trace(vocoder, part)
        _describe(vocoder, part)
        found.extend(difference(vocoder, part, batch, max(frames, shortest(vocoder))) for batch, frames in TRIED)
        if not max(found) <= TOLERANCE:
            raise ValueError(f"{vocoder.name}: the exported file is {max(found):.2g} off PyTorch, more than {TOLERANCE}: nothing is kept.")

    write_whole(path, write)
    return max(found)


def difference(vocoder: Vocoder, path: str | Path, batch: int, frames: int) -> float:
    """How far the file's samples are from PyTorch's on random input of that size."""
    _packages()
    from utils.onnx_network import open_session

    given = example(vocoder, batch, frames)
    session = open_session(Path(path), threads=0)
    try:
        made = torch.from_numpy(session.run(None, {name: value.cpu().numpy() for name, value in given.items()})[0])
    except Exception as error:  # noqa: BLE001 (onnxruntime's errors have no class of their own that says so)
        raise ValueError(f"{vocoder.name}: onnxruntime cannot run the file on {frames} frames: {error}") from error
    wanted = Network(vocoder)(*given.values()).cpu()
    if made.shape != wanted.shape:
        return float("inf")
    return float((made - wanted).abs().max() / wanted.abs().max().clamp(min=1))


def shortest(vocoder: Vocoder) -> int:
    """The least number of frames that a file can take: a file cannot hold on what is too short to be mirrored, as MelGAN does."""
    return vocoder.network.least_frames


def example(vocoder: Vocoder, batch: int, frames: int) -> dict[str, Tensor]:
    """Random input of the model, on its device."""
    random = torch.Generator().manual_seed(batch * 1000 + frames)
    given = {"mel": torch.randn(batch, frames, vocoder.mel_settings.n_mel, generator=random) - 4}
    if vocoder.reads_f0:
        given["f0"] = 100 + 200 * torch.rand(batch, frames, generator=random)
    given = {name: value.to(vocoder.device) for name, value in given.items()}
    drawn = vocoder.network.drawn(given, seed=0, first=0)
    if drawn:  # a source holds all that the F0 has to say
        given.pop("f0")
    return given | drawn


class Network(nn.Module):
    """What is traced: the folded network's `infer`, without the mode that tracing cannot look into."""

    def __init__(self, vocoder: Vocoder) -> None:
        super().__init__()
        self.network, self.names = vocoder.network, list(example(vocoder, 1, 1))
        self.infer = self.network.traceable()

    @torch.no_grad()
    def forward(self, *inputs: Tensor) -> Tensor:
        given = dict(zip(self.names, inputs, strict=True))
        unread = dict.fromkeys(set(self.network.inputs()) - given.keys())
        return self.infer(**given, **unread)


def _trace(vocoder: Vocoder, path: Path) -> None:
    given, axes = example(vocoder, *TRACED), {"samples": {0: "batch", 1: "samples"}}
    axes |= {name: {0: "batch", 2: "source_samples"} if name == "source" else {0: "batch", 1: "frames"} for name in given}
    try:
        with _quiet():
            # The tracing exporter: the newer one needs another package, and a minute where this one needs seconds.
            torch.onnx.export(
                Network(vocoder).eval(), tuple(given.values()), str(path), dynamo=False, opset_version=OPSET,
                input_names=list(given), output_names=["samples"], dynamic_axes=axes,
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
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _packages() -> tuple[Any, Any]:
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ValueError(f"{NEEDS} ({error.name} is missing).") from error
    return onnx, onnxruntime


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
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
