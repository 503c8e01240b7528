"""TransformerSVC: singing voice conversion in one pass, by attention over the whole of what is sung."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.svc.conversion import MelConversion
from models.svc.encoders import MelEncoderSizes, structure_loss
from modules.conditioning import Conditions
from modules.masks import masked_mean, valid


class TransformerSVC(MelConversion):
    """Contents, F0, energy and a speaker to a mel (batch, frames, n_mel).

    `contents` are names of content features, `channels` how wide each is, `statistics["mel"]` the "min" and "max" of each band.
    The defaults are Amphion's. Raises ValueError when sizes do not fit together.
    """

    compiles = "encoder.forward"

    def __init__(
        self,
        *,
        n_mel: int,
        channels: dict[str, int],
        contents: tuple[str, ...],
        n_speakers: int = 1,
        statistics: dict[str, Any] | None = None,
        condition: Conditions = Conditions(),
        encoder: MelEncoderSizes = MelEncoderSizes(),
    ) -> None:
        facts = {"n_mel": n_mel, "channels": channels, "n_speakers": n_speakers, "statistics": statistics}
        super().__init__(contents=contents, condition=condition, **facts)
        width = self.condition_encoder.channels
        self.encoder = encoder.network(width, n_mel, see_padding=self.see_padding)

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`l1`, the distance of the mels, a sum over bands, and `ssim`, how unlike they are built."""
        clean = self.scale.normal(batch["mel"])
        inside = self.inside(batch)
        condition = self.conditioned(batch)
        return self.losses(clean, condition, inside)

    def losses(self, clean: Tensor, condition: Tensor, inside: Tensor) -> dict[str, Tensor]:
        """Against a normalised mel; `inside` (batch, frames) are the real frames."""
        made = self.encoder(condition, inside).float()
        distance = masked_mean((made - clean).abs(), inside)
        structure = structure_loss(made, clean, inside, see_padding=self.see_padding)
        return {"l1": distance * clean.shape[2], "ssim": structure}

    @torch.inference_mode()
    def infer(
        self, contents: dict[str, Tensor], f0: Tensor, energy: Tensor, speaker: Tensor, frames: Tensor | None = None
    ) -> dict[str, Tensor]:
        """mel (batch, frames, n_mel).

        `contents` by name (batch, frames, channels), `f0` (batch, frames) in Hz, 0 where unvoiced, `energy` (batch, frames), `speaker`
        (batch,) numbers or (batch, channels) vectors, `frames` (batch,) lengths.
        """
        condition = self.condition_encoder(contents, f0, energy, speaker, frames=frames)
        inside = None if frames is None else valid(frames, condition.shape[1])
        normal = self.encoder(condition, inside)
        bounded = normal.clamp(-1, 1)
        mel = self.scale.natural(bounded)
        return {"mel": mel}
