"""From the mels of a TTS model to sound: by a trained vocoder of the same mel, or by Griffin-Lim."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.audio import Audio

if TYPE_CHECKING:
    from models.base.task import Task
    from models.vocoders.task import Vocoder


class Voicing:
    """`Voicing(task)(mel, vocoder) -> Audio`; each vocoder is loaded once. `own` is one that came with the weights of the task."""

    def __init__(self, task: Task, own: Vocoder | None = None) -> None:
        self.task = task
        self.own = own
        self._ready: dict[str | None, Callable[..., Audio]] = {}

    def __call__(
        self, mel: np.ndarray, vocoder: str | None, *, f0: np.ndarray | None = None, compile: bool = False
    ) -> Audio:
        """The sound of a mel (frames, n_mel) by the release, run or checkpoint `vocoder`; None is that of the card, else `own`, else
        Griffin-Lim.

        `f0` (frames,) in Hz leads a vocoder that reads it.

        Raises ValueError for a vocoder of another mel, and where it is to be compiled and cannot be.
        """
        decode = self.ready(vocoder)
        if self._named(vocoder) is None:
            return decode(mel)
        options = {"compile": True} if compile else {}
        return decode(mel, f0, **options)

    def ready(self, vocoder: str | None) -> Callable[..., Audio]:
        """What makes sound of a mel, loaded once. Raises ValueError for a vocoder of another mel."""
        name = self._named(vocoder)
        if name not in self._ready:
            self._ready[name] = self._unnamed() if name is None else self._trained(name)
        return self._ready[name]

    def _named(self, vocoder: str | None) -> str | None:
        return self.task.card.get("vocoder") if vocoder is None else vocoder

    def mel(self, audio: Audio) -> np.ndarray:
        """A mel (frames, n_mel) to look at, for models that make none themselves."""
        import torch

        from processors.mel import MelSettings, MelSpectrogram

        features = self.task.features
        linear = features.settings.get("linear", {})
        sizes = {name: value for name, value in linear.items() if name in ("n_fft", "win_size")}
        settings = features.settings.get("mel", sizes)
        mel = MelSpectrogram(MelSettings(sample_rate=features.sample_rate, hop_size=features.hop_size, **settings))
        samples = torch.from_numpy(audio.samples)
        return mel(samples[None])[0].numpy()

    def _unnamed(self) -> Callable[..., Audio]:
        own = self.own
        if own is None:
            return self._griffin_lim()
        return lambda mel: own(mel)

    def _griffin_lim(self) -> Callable[..., Audio]:
        import torch

        from models.vocoders.griffinlim import GriffinLim

        decoder = GriffinLim(self.task.mel_settings)

        def decode(mel: np.ndarray) -> Audio:
            samples = decoder.infer(torch.from_numpy(mel)[None])[0]
            sound = Audio(samples.numpy(), self.task.rate)
            # As loud as its mel, and so each window of a stream like the next; what would be clipped is brought to full scale.
            return sound.normalised(0.0) if sound.peak > 1 else sound

        return decode

    def _trained(self, path: str) -> Callable[..., Audio]:
        from models.base.task import load
        from models.vocoders.task import Vocoder

        vocoder = load(path, device=str(self.task.device))
        if not isinstance(vocoder, Vocoder):
            raise ValueError(f"vocoder: {path} is a {vocoder.name}, which is no vocoder: name one, or leave it out for Griffin-Lim.")
        settings = self.task.mel_settings
        silence = np.full((1, settings.n_mel), settings.convention.silence)
        try:
            vocoder.convert(silence, settings)
        except ValueError as error:
            raise ValueError(f"the vocoder {path} reads another mel than this model makes: {error}") from error

        def decode(mel: np.ndarray, f0: np.ndarray | None, **options: Any) -> Audio:
            converted = vocoder.convert(mel, settings)
            pitch = f0 if vocoder.reads_f0 else None
            return vocoder(converted, f0=pitch, **options)

        return decode
