"""Networks of HuBERT's layout as content: they take the waveform itself, and a frame is of 400 samples, 320 after the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from processors.clock import Clock
from processors.content import Content, Network, in_blocks, require
from utils import pretrained
from utils.pretrained import Source

if TYPE_CHECKING:
    from torch import Tensor

WINDOW = 400
HOP = 320
KERNELS = [10, 3, 3, 3, 3, 2, 2]
STRIDES = [5, 2, 2, 2, 2, 2, 2]
QUIET = 1e-7  # of a variance that a sound is divided by


@dataclass(kw_only=True, eq=False)
class Hubert(Content):
    """A layer of such a network, (frames, channels). `layer`: which one, counted from 1.

    A sound is brought to mean 0 and variance 1 where the folder's preprocessor_config.json says so, all of it at once.
    Sounds in a batch are of equal lengths: the norm of the first layer runs over time, over silence too.
    """

    hop = HOP
    architecture: ClassVar[str] = "HubertModel"
    model_types: ClassVar[tuple[str, ...]] = ("hubert",)  # as a config.json names it; another's weights may fit, and mean nothing

    layer: int = 12

    def input_length(self, samples: int) -> int:
        return samples - (samples - WINDOW) % HOP if samples >= WINDOW else samples

    def prepared(self, samples: np.ndarray) -> np.ndarray:
        """What is shorter than one frame is filled up with silence."""
        missing = max(0, WINDOW - len(samples))
        sound = np.pad(samples, (0, missing))
        settings = pretrained.settings(self._place(), "preprocessor_config.json")
        if not settings.get("do_normalize", False):
            return sound
        return (sound - sound.mean()) / np.sqrt(sound.var() + QUIET)

    def network(self, place: str, device: str) -> Network:
        require("transformers", self.source.name)
        self.check(pretrained.settings(place, "config.json"), place)
        model = pretrained.from_transformers(place, self.architecture, device)

        def run(sounds: Sequence[np.ndarray]) -> list[np.ndarray]:
            import torch

            samples = torch.from_numpy(np.stack(sounds)).to(device)
            with torch.inference_mode():
                layers = model(samples, output_hidden_states=True).hidden_states
                found = self.projected(layers[self.layer], place, device)
            return list(found.cpu().numpy())

        return lambda sounds: in_blocks(sounds, run)

    def projected(self, frames: Tensor, place: str, device: str) -> Tensor:
        """What is made of the layer's frames, (batch, frames, channels)."""
        return frames

    def check(self, config: Mapping[str, Any], place: str) -> None:
        """Raises ValueError for a network of other frames, and for a layer that it does not have."""
        source = self.source
        name = source.name
        kind = config.get("model_type", self.model_types[0])
        if kind not in self.model_types:
            raise ValueError(f"{name}: {place} is a {kind} by its config.json: {source.what} is needed.")
        kernels = list(config.get("conv_kernel", KERNELS))
        strides = list(config.get("conv_stride", STRIDES))
        if kernels != KERNELS or strides != STRIDES:
            raise ValueError(f"{name}: {place} has frames of other lengths (conv_kernel {kernels}, conv_stride {strides}).")
        layers = config.get("num_hidden_layers", 12)
        if not 1 <= self.layer <= layers:
            raise ValueError(f"{name}.layer: {place} has layers 1 to {layers}, got {self.layer}.")


@dataclass(kw_only=True, eq=False)
class ContentVec(Hubert):
    """ContentVec (Qian et al. 2022, https://arxiv.org/abs/2204.09224), or any HuBERT of transformers; 50 frames a second.

    `final_proj`: the linear layer that its training ended in follows, as converters with 256 channels were trained (RVC v1 and
    so-vits-svc 4.0 on layer 9, Amphion on layer 12); those with 768 read layer 12 without.
    """

    source = Source(
        "contentvec",
        "ContentVec: a folder or hub id of transformers' HubertModel",
        origin="https://github.com/auspicious3000/contentvec",
        hub="lengyue233/content-vec-best",
        setting="preprocess.features.contentvec.model",
    )
    input_rate = 16000
    clock = Clock(50, Fraction(WINDOW // 2, 16000))

    final_proj: bool = False

    def projected(self, frames: Tensor, place: str, device: str) -> Tensor:
        if not self.final_proj:
            return frames
        from torch.nn import functional as F

        weights = pretrained.tensors(place, "final_proj.", device)
        if "weight" not in weights:
            advice = "set contentvec.final_proj to false, or give the folder of a ContentVec that has it"
            raise ValueError(f"contentvec: {place} holds no final_proj.weight: {advice}.")
        return F.linear(frames, weights["weight"], weights.get("bias"))


@dataclass(kw_only=True, eq=False)
class WavLM(Hubert):
    """WavLM (Chen et al. 2021, https://arxiv.org/abs/2110.13900), 50 frames a second: 768 channels of base, 1024 of large."""

    source = Source(
        "wavlm",
        "WavLM: a folder or hub id of transformers' WavLMModel",
        hub="microsoft/wavlm-base-plus",
        setting="preprocess.features.wavlm.model",
    )
    architecture = "WavLMModel"
    model_types = ("wavlm",)
    input_rate = 16000
    clock = Clock(50, Fraction(WINDOW // 2, 16000))


@dataclass(kw_only=True, eq=False)
class Mert(Hubert):
    """MERT (Li et al. 2023, https://arxiv.org/abs/2306.00107), trained on music; 75 frames a second of 24 kHz.

    Its published folders bring code of their own, which is not run: the layout is HuBERT's, and the weights are read as such. Raises
    ValueError for those that go beyond it, such as with a constant-Q transform beside the waveform. The 330M has 24 layers.
    """

    source = Source(
        "mert",
        "MERT: a folder or hub id with its config.json and weights",
        hub="m-a-p/MERT-v1-95M",
        setting="preprocess.features.mert.model",
    )
    model_types = ("mert_model", "hubert")
    input_rate = 24000
    clock = Clock(75, Fraction(WINDOW // 2, 24000))

    def check(self, config: Mapping[str, Any], place: str) -> None:
        super().check(config, place)
        beyond = [name for name in ("feature_extractor_cqt", "deepnorm") if config.get(name)]
        if beyond:
            raise ValueError(f"mert: {place} is no HuBERT but for its weights ({', '.join(beyond)} in config.json): MERT-v1-95M and -330M are.")
