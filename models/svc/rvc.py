"""RVC, retrieval-based voice conversion without its retrieval: a VITS with the content of speech in place of text.

As https://github.com/RVC-Project/Retrieval-based-Voice-Conversion-WebUI, whose voices load.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from models.base.model import Settings
from models.svc.decoding import VoiceDecoding
from models.svc.variational import Contents, LatentSizes, VariationalSVC, joined, width_of
from modules.attention import EncoderSizes
from modules.conditioning import coarse_f0
from modules.coupling import FlowSizes

PITCHES = 256  # bins of F0, from 50 to 1100 Hz
SLOPE = 0.1

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
        self, contents: Contents, f0: Tensor, energy: Tensor | None, speaker: Tensor, mask: Tensor, **options: Any
    ) -> dict[str, Tensor]:
        hidden = self.emb_phone(joined(contents, self.contents))
        if self.emb_pitch is not None:
            hidden = hidden + self.emb_pitch(coarse_f0(f0, PITCHES, 50.0, 1100.0))
        hidden = F.leaky_relu(hidden * self.scale, SLOPE)
        return self.enc_p(hidden.transpose(1, 2), mask)
