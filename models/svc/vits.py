"""VitsSVC: Amphion's voice conversion by VITS, with everything that is to be sung in place of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from models.base.model import Settings
from models.svc.conversion import features_of
from models.svc.decoding import VoiceDecoding
from models.svc.variational import Contents, LatentSizes, VariationalSVC
from modules.attention import EncoderSizes
from modules.conditioning import VECTOR, Conditions
from modules.coupling import FlowSizes

# At 24 kHz, a hop of 256.
DECODER = {
    "generator": {
        "upsample_rates": [8, 8, 2, 2],
        "upsample_kernel_sizes": [16, 16, 4, 4],
        "upsample_initial_channel": 768,
    }
}


class VitsSVC(VariationalSVC):
    """Contents, F0, energy and a speaker to sound. The decoder may be any of the GAN vocoders; "nsfhifigan" is led by the F0.

    The defaults are Amphion's. `contents` are names of content features, `channels` how wide each is; `condition` is as wide
    as `sizes.hidden`. With `condition.speakers` "vectors" a voice is that of a recording, and may be one that was never trained.
    `speaks`: the decoder is told who sings, too, which "nsfhifigan" and "hifigan" can be. Raises ValueError when sizes do not
    fit together.
    """

    reads = ("f0", "energy", "linear", "audio")
    tables = {"speakers": ("emb_g.weight", "condition_encoder.singer_encoder.nn.weight")}

    @classmethod
    def features_of(cls, settings: Settings) -> tuple[str, ...]:
        return features_of(settings, cls.reads)

    def __init__(
        self,
        *,
        contents: tuple[str, ...],
        channels: dict[str, int],
        n_speakers: int = 1,
        sample_rate: int,
        hop_size: int,
        condition: Conditions = Conditions(),
        sizes: LatentSizes = LatentSizes(hidden=384, latent=384, encoder=EncoderSizes(filter=256)),
        flow: FlowSizes = FlowSizes(),
        decoding: VoiceDecoding = VoiceDecoding(sizes=DECODER),
        speaks: bool = False,
    ) -> None:
        vectors = condition.speakers == "vectors"
        conditioner = condition.network(channels, tuple(contents), n_speakers)
        if conditioner.channels != sizes.hidden:
            raise ValueError(
                f"model.sizes.hidden: {sizes.hidden} channels are expected, but the condition has {conditioner.channels}: "
                "make them equal (what is added is as wide as each part, what is concatenated as all of them)."
            )
        width = sizes.speaker_channels
        super().__init__(
            contents=contents,
            voices=nn.Linear(channels[VECTOR], width) if vectors else nn.Embedding(n_speakers, width),
            sizes=sizes,
            flow=flow,
            decoding=decoding,
            sample_rate=sample_rate,
            hop_size=hop_size,
            speaks=speaks,
        )
        self.who = VECTOR if vectors else "speaker"
        if vectors:
            self.tables = {}  # of nobody in particular
        self.condition_encoder = conditioner

    def speaker_in(self, batch: Mapping[str, Any]) -> Tensor:
        return batch[self.who]

    def prior(
        self, contents: Contents, f0: Tensor, energy: Tensor | None, speaker: Tensor, mask: Tensor, **options: Any
    ) -> dict[str, Tensor]:
        frames = mask[:, 0].sum(1).long()
        condition = self.condition_encoder(contents, f0, energy, speaker, frames=frames)
        return self.enc_p(condition.transpose(1, 2), mask)
