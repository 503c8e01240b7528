"""so-vits-svc 4.1: a VITS with the content of singing in place of text, led by its F0, which it can also work out by itself.

As https://github.com/svc-develop-team/so-vits-svc, whose voices load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.base.model import Settings
from models.base.options import Deviation
from models.svc.decoding import VoiceDecoding
from models.svc.variational import Contents, LatentSizes, VariationalSVC, joined, width_of
from modules.attention import EncoderSizes
from modules.causal import CausalTransformer
from modules.conditioning import coarse_f0
from modules.coupling import Flow, FlowSizes, ResidualCoupling
from modules.masks import masked_mean
from modules.noise import Noise
from modules.pitch import bridged

PITCHES = 256  # bins of F0, from 50 to 1100 Hz
MEL = 2595 / 500  # of a decade, on the scale on which an F0 is worked out
SPREAD = (0.8, 1.2)  # in training a melody is drawn flatter or steeper by a factor between these

# At 44.1 kHz, a hop of 512.
DECODER = {
    "generator": {
        "upsample_rates": [8, 8, 2, 2, 2],
        "upsample_kernel_sizes": [16, 16, 4, 4, 4],
        "upsample_initial_channel": 512,
    }
}


@dataclass(frozen=True, kw_only=True)
class CausalSizes:
    """Of a `CausalTransformer` inside each coupling, in the place of a gated stack."""

    layers: int = 3
    heads: int = 2
    filter: int = 768
    kernel: int = 5
    dropout: float = 0.1


@dataclass(frozen=True, kw_only=True)
class SharingFlow(FlowSizes):
    """`shared`: the couplings have one network between them. `causal`: it is a transformer in which no frame sees a later one."""

    shared: bool = False
    causal: CausalSizes | None = None

    def network(self, latent: int, hidden: int, condition_channels: int) -> Flow:
        if not self.shared:
            return super().network(latent, hidden, condition_channels)
        one = self.inside(hidden, condition_channels)
        return Flow.flipping(lambda: ResidualCoupling(latent, hidden, one, owned=False), self.flows, one)

    def inside(self, hidden: int, condition_channels: int) -> nn.Module:
        if self.causal is None:
            return super().inside(hidden, condition_channels)
        return CausalTransformer(
            channels=hidden,
            filter_channels=self.causal.filter,
            heads=self.causal.heads,
            layers=self.causal.layers,
            kernel_size=self.causal.kernel,
            dropout=self.causal.dropout,
            condition_channels=condition_channels,
        )


class SoVITS(VariationalSVC):
    """Content (batch, frames, channels), F0, and a speaker to sound; with `loud` also the energy.

    The defaults are those of version 4.1. `melodic`: it can work out an F0 by itself, for speech that is to be sung flatter or
    livelier than the source. `bridges_f0`: the F0 is drawn through unvoiced frames, which are marked all the same, as
    published voices expect it. Raises ValueError when the sizes do not fit together.
    """

    @classmethod
    def features_of(cls, settings: Settings) -> tuple[str, ...]:
        reads = super().features_of(settings)
        return (*reads, "energy") if settings.get("loud", False) else reads

    def __init__(
        self,
        *,
        contents: tuple[str, ...] = ("contentvec",),
        channels: dict[str, int],
        n_speakers: int = 1,
        sample_rate: int,
        hop_size: int,
        sizes: LatentSizes = LatentSizes(speaker_channels=768),
        flow: SharingFlow = SharingFlow(),
        loud: bool = False,
        melodic: bool = True,
        bridges_f0: bool = False,
        decoding: VoiceDecoding = VoiceDecoding(sizes=DECODER, n_fft=2048, win_size=2048),
    ) -> None:
        super().__init__(
            contents=contents,
            voices=nn.Embedding(n_speakers, sizes.speaker_channels),
            sizes=sizes,
            flow=flow,
            decoding=decoding,
            sample_rate=sample_rate,
            hop_size=hop_size,
        )
        hidden = sizes.hidden
        self.bridges_f0 = bridges_f0
        self.pre = nn.Conv1d(width_of(self.contents, channels), hidden, 5, padding=2)
        self.emb_uv = nn.Embedding(2, hidden)
        self.emb_vol = nn.Linear(1, hidden) if loud else None
        self.f0_emb = nn.Embedding(PITCHES, hidden)
        self.f0_decoder = MelodyDecoder(hidden, sizes.speaker_channels, sizes.encoder) if melodic else None

    def prior(
        self,
        contents: Contents,
        f0: Tensor,
        energy: Tensor | None,
        speaker: Tensor,
        mask: Tensor,
        *,
        own_melody: bool = False,
    ) -> dict[str, Tensor]:
        hidden = self.front(contents, f0, energy, mask)
        melody = bridged(f0) if self.bridges_f0 else f0
        if own_melody:
            guess = self.worked_out(hidden, f0, mask, self.voice(speaker))["guess"]
            melody = 700 * (10 ** (guess[:, 0] / MEL) - 1).clamp(min=0)
        pitch = self.f0_emb(coarse_f0(melody, PITCHES, 50.0, 1100.0))
        out = self.enc_p(hidden + pitch.transpose(1, 2), mask)
        return out | {"hidden": hidden, "melody": melody}

    def front(self, contents: Contents, f0: Tensor, energy: Tensor | None, mask: Tensor) -> Tensor:
        """(batch, hidden, frames) of all but the melody. `f0` as it is given, 0 where unvoiced."""
        features = joined(contents, self.contents).transpose(1, 2)
        hidden = self.pre(features) * mask
        voiced = (f0 > 0).long()
        marks = self.emb_uv(voiced)
        if self.emb_vol is not None:
            marks = marks + self.emb_vol(energy[..., None])
        return hidden + marks.transpose(1, 2)

    def worked_out(
        self, hidden: Tensor, f0: Tensor, mask: Tensor, voice: Tensor, steepness: Tensor | float = 1.0
    ) -> dict[str, Tensor]:
        """On a mel scale, (batch, 1, frames): `log_f0` of the melody, `outline` around its mean, and `guess`, made of the outline.

        Raises ValueError for a model that has not learnt to.
        """
        if self.f0_decoder is None:
            raise ValueError("own_melody: this voice has not learnt to work out a melody (model.melodic is false): leave it out.")
        melody = bridged(f0) if self.bridges_f0 else f0
        log_f0 = MEL * torch.log10(1 + melody[:, None] / 700)
        voiced = (f0 > 0).to(log_f0.dtype)[:, None]
        count = voiced.sum(2, keepdim=True).clamp(min=1)
        mean = (log_f0 * voiced).sum(2, keepdim=True) / count
        outline = (log_f0 - mean) * steepness * mask
        guess = self.f0_decoder(hidden, outline, mask, voice)
        return {"log_f0": log_f0, "outline": outline, "guess": guess}

    def further_losses(self, out: dict[str, Tensor], batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """`f0`: the squared distance of the F0 that is worked out from that of the recording, on a mel scale."""
        if self.f0_decoder is None:
            return {}
        hidden = out["hidden"]
        steepness: Tensor | float = 1.0
        if self.training:
            low, high = SPREAD
            drawn = Noise(device=hidden.device).uniform(len(hidden), 1, 1)
            steepness = low + (high - low) * drawn
        voice = self.voice(batch["speaker"])
        mask = out["frame_mask"]
        melody = self.worked_out(hidden, batch["f0"], mask, voice, steepness)
        squares = (melody["guess"] - melody["log_f0"]).square()
        return {"f0": masked_mean(squares[:, 0], mask[:, 0] > 0)}

    @torch.inference_mode()
    def infer(
        self,
        contents: Contents,
        f0: Tensor,
        energy: Tensor | None = None,
        speaker: Tensor | None = None,
        frames: Tensor | None = None,
        *,
        noise_scale: Deviation = 0.4,
        own_melody: bool = False,
        seed: int | None = None,
    ) -> dict[str, Tensor]:
        """As `VariationalSVC.infer`. `noise_scale` is how lively the voice is; the same `seed` sings the same twice.

        With `own_melody` the F0 is not that of the source, but worked out from it: for speech. Raises ValueError for a model that
        has not learnt to.
        """
        options = {"noise_scale": noise_scale, "seed": seed, "own_melody": own_melody}
        return self.generate(contents, f0, energy, speaker, frames, **options)


class MelodyDecoder(nn.Module):
    """Works out a melody of hidden frames (batch, hidden, frames), the outline of one, and a voice; what it learns is its own."""

    def __init__(self, hidden: int, speaker_channels: int, sizes: EncoderSizes) -> None:
        super().__init__()
        self.cond = nn.Conv1d(speaker_channels, hidden, 1)
        self.f0_prenet = nn.Conv1d(1, hidden, 3, padding=1)
        self.prenet = nn.Conv1d(hidden, hidden, 3, padding=1)
        self.decoder = CausalTransformer(
            channels=hidden,
            filter_channels=sizes.filter,
            heads=sizes.heads,
            layers=sizes.layers,
            kernel_size=sizes.kernel,
            dropout=sizes.dropout,
        )
        self.proj = nn.Conv1d(hidden, 1, 1)

    def forward(self, hidden: Tensor, outline: Tensor, mask: Tensor, voice: Tensor) -> Tensor:
        """(batch, 1, frames), on the scale of `outline`."""
        x = hidden.detach() + self.cond(voice.detach()) + self.f0_prenet(outline)
        x = self.prenet(x) * mask
        return self.proj(self.decoder(x, mask)) * mask
