"""RVC, retrieval-based voice conversion: a VITS with the content of speech in place of text, moved to what the voice itself said.

As https://github.com/RVC-Project/Retrieval-based-Voice-Conversion-WebUI, whose voices load.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.base.model import Settings
from models.base.options import Deviation, Range
from models.svc.decoding import VoiceDecoding
from models.svc.variational import Contents, LatentSizes, VariationalSVC, joined, width_of
from modules.attention import EncoderSizes
from modules.conditioning import coarse_f0
from modules.coupling import FlowSizes
from processors import retrieval

PITCHES = 256  # bins of F0, from 50 to 1100 Hz
SLOPE = 0.1
UNPROTECTED = 0.5  # from here on RVC treats all frames alike

Share = Annotated[float, Range("0 (not at all) to 1", below=math.nextafter(1.0, 2.0))]
Protection = Annotated[float, Range("0 (the most) to 0.5 (none)", below=math.nextafter(UNPROTECTED, 1.0))]

# At 40 kHz: a frame is 10 ms.
DECODER = {
    "generator": {
        "upsample_rates": [10, 10, 2, 2],
        "upsample_kernel_sizes": [16, 16, 4, 4],
        "upsample_initial_channel": 512,
    },
    "harmonics": 0,
    "variant": {"plain_ends": True},
}


class RVC(VariationalSVC):
    """Content (batch, frames, channels), F0 and a speaker to sound, at 100 frames a second.

    The defaults are those of the 40 kHz voices. `pitched` False is a voice that is told no F0, with "hifigan" for a vocoder.
    Raises ValueError when the sizes do not fit together.
    """

    @classmethod
    def features_of(cls, settings: Settings) -> tuple[str, ...]:
        reads = super().features_of(settings)
        return reads if settings.get("pitched", True) else tuple(name for name in reads if name != "f0")

    def __init__(
        self,
        *,
        contents: tuple[str, ...] = ("contentvec",),
        channels: dict[str, int],
        n_speakers: int = 1,
        sample_rate: int,
        hop_size: int,
        pitched: bool = True,
        sizes: LatentSizes = LatentSizes(encoder=EncoderSizes(window=10)),
        flow: FlowSizes = FlowSizes(layers=3),
        decoding: VoiceDecoding = VoiceDecoding(sizes=DECODER, n_fft=2048, win_size=2048, mel_bands=125),
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
        self.scale = hidden**0.5
        self.emb_phone = nn.Linear(width_of(self.contents, channels), hidden)
        self.emb_pitch = nn.Embedding(PITCHES, hidden) if pitched else None

    def prior(
        self,
        contents: Contents,
        f0: Tensor,
        energy: Tensor | None,
        speaker: Tensor,
        mask: Tensor,
        *,
        index: str | None = None,
        index_rate: float = 0.0,
        protect: float = UNPROTECTED,
    ) -> dict[str, Tensor]:
        content = joined(contents, self.contents)
        if index is not None:
            share = self.retrieved_share(f0, index_rate, protect)
            content = torch.lerp(content, retrieved(content, index), share)
        hidden = self.emb_phone(content)
        if self.emb_pitch is not None:
            hidden = hidden + self.emb_pitch(coarse_f0(f0, PITCHES, 50.0, 1100.0))
        hidden = F.leaky_relu(hidden * self.scale, SLOPE)
        return self.enc_p(hidden.transpose(1, 2), mask)

    def retrieved_share(self, f0: Tensor, index_rate: float, protect: float) -> Tensor:
        """How much of each frame is retrieved, (batch, frames, 1): of unvoiced ones, consonants and breath, less."""
        share = torch.full_like(f0, index_rate)
        if self.emb_pitch is not None and protect < UNPROTECTED:
            share = torch.where(f0 > 0, share, protect * share)
        return share[..., None]

    @torch.inference_mode()
    def infer(
        self,
        contents: Contents,
        f0: Tensor | None = None,
        energy: Tensor | None = None,
        speaker: Tensor | None = None,
        frames: Tensor | None = None,
        *,
        index: str | None = None,
        index_rate: Share = 0.75,
        protect: Protection = 0.33,
        noise_scale: Deviation = 0.667,
        seed: int | None = None,
    ) -> dict[str, Tensor]:
        """As `VariationalSVC.infer`. `noise_scale` is how lively the voice is; the same `seed` sings the same twice.

        `index` is the added_*.index that was published with a voice: `index_rate` is by how much what is sung is moved to what the
        voice itself said most like it, and `protect`, the less the more, keeps consonants and breath from that. Raises ValueError
        for an index of another content.
        """
        options = {"index": index, "index_rate": index_rate, "protect": protect}
        return self.generate(contents, f0, energy, speaker, frames, noise_scale=noise_scale, seed=seed, **options)


def retrieved(content: Tensor, index: str) -> Tensor:
    """For each frame of `content` (batch, frames, channels) what the voice of that index said most like it."""
    rows = content.flatten(0, 1).float().cpu().numpy()
    nearest = retrieval.read(index).nearest(rows)
    return torch.from_numpy(nearest).to(content).view_as(content)
