"""Whisper's encoder (Radford et al. 2022, https://arxiv.org/abs/2212.04356) as content: 50 frames a second, the k-th centred at 20 k ms.

Its input is a window of 30 s, silence behind what is shorter. What it says of a moment depends on where in the window that stands:
with tiny.en, moving a voice by 0.02, 0.1, 0.5 and 1 s changes its frames by 4, 16, 54 and 66 %. So only sounds that begin alike may be
compared, and pieces of a long one are placed as utterances are, at the window's beginning (see `processors.content`). It is the place
itself that is told: over windows of speech and song 42 % of the variance is that of the mean at each place in the window, and five of 384
channels hold a third of it. Of speech moved by 10 s the frames are 105 % away (cosine 0.46), but 27 % with each channel brought to mean 0
and deviation 1 (cosine 0.96); of song 106 % (0.44) and 35 % (0.94). Taking off the mean of each place leaves 35 and 40 %. What follows a
moment matters less: with the sound cut off ten seconds later its frames change by 3 to 5 %, close to the cut by 20 to 40 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from processors.clock import Clock
from processors.content import AT_ONCE, Content, Network, require
from utils import hub, pretrained
from utils.pretrained import Source

if TYPE_CHECKING:
    from torch import Tensor

RATE = 16000
HOP = 320
WINDOW_SECONDS = 30


@dataclass(kw_only=True, eq=False)
class Whisper(Content):
    """The last layer of Whisper's encoder, (frames, channels): 384 of tiny, 512 of base, 768 of small, 1024 of medium, 1280 of large.

    `model`: OpenAI's .pt, a folder or hub id of transformers, or a name such as "medium", which is fetched.
    """

    source = Source(
        "whisper",
        "Whisper: a .pt file of OpenAI's, a folder or hub id of transformers, or a name such as medium",
        form="FILE.pt",
        origin="https://github.com/openai/whisper",
        hub="medium",
        setting="preprocess.features.whisper.model",
        names=pretrained.whisper_names,
    )
    hop = HOP
    input_rate = RATE
    clock = Clock(50)
    padding_changes = False  # there is always silence behind, up to 30 s

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.piece_seconds > WINDOW_SECONDS:
            raise ValueError(f"whisper.piece_seconds: at most {WINDOW_SECONDS}, which is all that it hears, got {self.piece_seconds}.")

    def network(self, place: str, device: str) -> Network:
        of_transformers = _is_transformers(place)
        require("transformers" if of_transformers else "whisper", "whisper")
        encode = _of_transformers if of_transformers else _of_openai

        def run(sounds: Sequence[np.ndarray]) -> list[np.ndarray]:
            found = []
            for first in range(0, len(sounds), AT_ONCE):
                block = sounds[first : first + AT_ONCE]
                windows = encode(place, device, block).cpu().numpy()
                for sound, window in zip(block, windows, strict=True):
                    frames = math.ceil(len(sound) / HOP)
                    found.append(window[:frames])
            return found

        return run


def _is_transformers(place: str) -> bool:
    return hub.is_hub_id(place) or (Path(place) / "config.json").is_file()


def _of_openai(place: str, device: str, sounds: Sequence[np.ndarray]) -> Tensor:
    import torch
    import whisper

    model = pretrained.whisper(place, device)
    mels = []
    for sound in sounds:  # one at a time: of a batch the loudest would set the floor of all
        samples = torch.from_numpy(sound)
        window = whisper.pad_or_trim(samples)
        mels.append(whisper.log_mel_spectrogram(window, model.dims.n_mels))
    return _encoded(model.encoder, torch.stack(mels).to(device))


def _of_transformers(place: str, device: str, sounds: Sequence[np.ndarray]) -> Tensor:
    model = pretrained.from_transformers(place, "WhisperModel", device)
    extractor = pretrained.preprocessor(place, "WhisperFeatureExtractor")
    inputs = extractor(list(sounds), sampling_rate=RATE, return_tensors="pt")
    return _encoded(model.encoder, inputs.input_features.to(device))


def _encoded(encoder: Any, mels: Tensor) -> Tensor:
    import torch

    with torch.inference_mode():
        output = encoder(mels)
    return output if isinstance(output, torch.Tensor) else output.last_hidden_state
