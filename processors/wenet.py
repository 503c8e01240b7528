"""The encoder of a WeNet recogniser (Zhang et al. 2022, https://arxiv.org/abs/2203.15455), exported, as content: 25 frames a second.

Export it with its normalisation of the input inside. As TorchScript (`torch.jit.script(model.encoder).save("wenet.pt")`) its forward
takes log-mel bands (1, frames, 80), and their count (1,) if it has a second argument, and gives (1, frames / 4, channels), alone or
first; in ONNX likewise its first output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from processors.clock import Clock
from processors.content import Content, Network
from utils import pretrained
from utils.pretrained import Source

RATE = 16000
FULL_SCALE = 2**15  # the bands are of samples as whole numbers
BEHIND = 160  # samples of silence behind a sound, so that one frame more of the bands is whole
BAND_HOP = 160
BANDS = 80
SEEN = 7  # frames of the bands that one of the encoder's is of, every fourth
SHORTEST = 400 + (SEEN - 1) * BAND_HOP - BEHIND  # samples that one frame takes


@dataclass(kw_only=True, eq=False)
class Wenet(Content):
    """The output of WeNet's encoder, (frames, channels): 512 of the u2pp_conformer that Amphion used."""

    source = Source(
        "wenet",
        "an exported encoder of WeNet: TorchScript or ONNX",
        form="FILE.pt",
        origin="https://github.com/wenet-e2e/wenet",
        setting="preprocess.features.wenet.model",
    )
    hop = 4 * BAND_HOP
    input_rate = RATE
    # A frame is centred on the middle one of the seven that it is of, whose window of 400 samples begins 160 for each later.
    clock = Clock(25, Fraction(SEEN // 2 * BAND_HOP + 200, RATE))

    def prepared(self, samples: np.ndarray) -> np.ndarray:
        """What is shorter than one frame is filled up with silence."""
        missing = max(0, SHORTEST - len(samples))
        return np.pad(samples, (0, missing))

    def network(self, place: str, device: str) -> Network:
        encode = _onnx(place, device) if _is_onnx(place) else _torchscript(place, device)

        def run(sounds: Sequence[np.ndarray]) -> list[np.ndarray]:
            return [encode(bands(sound)) for sound in sounds]

        return run


def bands(samples: np.ndarray) -> np.ndarray:
    """80 log-mel bands every 10 ms of a sound at 16 kHz, (frames, 80), as Kaldi has them, without dither."""
    import torch
    from torchaudio.compliance import kaldi

    padded = np.pad(samples, (0, BEHIND))
    sound = torch.from_numpy(padded)[None] * FULL_SCALE
    found = kaldi.fbank(sound, num_mel_bins=BANDS, sample_frequency=RATE, dither=0.0, energy_floor=0.0)
    return found.numpy()


def _is_onnx(place: str) -> bool:
    path = Path(place)
    return path.suffix == ".onnx" or (path / "model.onnx").is_file()


def _onnx(place: str, device: str) -> Callable[[np.ndarray], np.ndarray]:
    network = pretrained.onnx(place, device)

    def encode(frames: np.ndarray) -> np.ndarray:
        return network(frames[None])[0]

    return encode


def _torchscript(place: str, device: str) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    network = pretrained.torchscript(place, device)
    arguments = len(network.forward.schema.arguments) - 1  # without the module itself

    def encode(frames: np.ndarray) -> np.ndarray:
        rows = torch.from_numpy(frames)[None]
        count = torch.tensor([len(frames)])
        given = [rows.to(device), count.to(device)]
        with torch.inference_mode():
            output = network(*given[:arguments])
        alone = isinstance(output, torch.Tensor)
        first = output if alone else output[0]
        return first[0].float().cpu().numpy()

    return encode
