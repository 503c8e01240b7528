"""Vocoders for users: a mel becomes sound, and a recording is resynthesised to hear what a vocoder keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.base.task import Sample, Task
from utils.audio import Audio

if TYPE_CHECKING:
    from preprocessors.base import Utterance


class Vocoder(Task):
    """`Vocoder(mel) -> Audio`. Mels are (frames, n_mel) of the settings in `mel_settings`."""

    example = "--folder a/folder/of/recordings"
    metrics = "mcd mstft pesq stoi f0rmse fpc energy_rmse"
    align = "cut"

    def __call__(self, source: np.ndarray | str) -> Audio:
        """Sound from a mel (frames, n_mel), or from an audio file by way of its mel.

        Raises ValueError when the mel has another number of bands, no frame, or NaN.
        """
        return self.resynthesise(Audio.read(source)) if isinstance(source, str) else self._decode(source)

    def resynthesise(self, audio: Audio) -> Audio:
        """The recording through mel and back."""
        return self._decode(self._mel(audio))

    def sample(self, utterance: Utterance) -> Sample:
        audio = utterance.read(self.rate)
        recorded = self._mel(audio)
        heard = self._decode(recorded)
        return Sample(heard, utterance.text or utterance.id, {"mel": self._mel(heard)}, {"mel": recorded})

    def _mel(self, audio: Audio) -> np.ndarray:
        from preprocessors.base import Utterance

        return self.features.features["mel"](Utterance(id="-"), audio.resample(self.rate))

    def _decode(self, mel: np.ndarray) -> Audio:
        import torch

        n_mel = self.mel_settings["n_mel"]
        if mel.ndim != 2 or mel.shape[1] != n_mel or not len(mel):
            raise ValueError(f"a mel of shape (frames, {n_mel}) with one frame or more is expected, got {mel.shape}.")
        if not np.isfinite(mel).all():
            raise ValueError("the mel holds NaN or infinity: look at the acoustic model that made it.")
        frames = torch.from_numpy(np.ascontiguousarray(mel, dtype=np.float32))[None].to(self.device)
        with torch.inference_mode():
            return Audio(self.model.infer(frames)[0].float().cpu().numpy(), self.rate)
