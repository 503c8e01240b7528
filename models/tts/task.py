"""Text to speech for users: any acoustic or end-to-end model behind one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.base.task import Sample, Task
from utils.audio import Audio

if TYPE_CHECKING:
    from preprocessors.base import Utterance


class TTS(Task):
    """`TTS("Hello.") -> Audio`. An acoustic model speaks through a vocoder of the same mel; without one, through Griffin-Lim."""

    example = '--text "Anything you like."'

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._vocoders: dict[str | None, Any] = {}

    def __call__(
        self,
        text: str,
        *,
        speaker: str | None = None,
        speed: float = 1.0,
        pitch: float = 1.0,
        energy: float = 1.0,
        vocoder: str | None = None,
    ) -> Audio:
        """Speech for `text`.

        `speaker` is a name in the card; `speed` 2 is twice as fast; `pitch` and `energy` scale the predicted
        contours; `vocoder` is a release, run or checkpoint, None takes Griffin-Lim. Raises ValueError for empty
        text, unknown symbols or speakers, a factor that is not above 0, and a vocoder of another mel.
        """
        spoken = self._speak(text, self.speaker_id(speaker), speed=speed, pitch=pitch, energy=energy)
        return self._vocode(spoken["mel"], vocoder)

    def sample(self, utterance: Utterance, **options: Any) -> Sample:
        """The utterance's text, spoken by its speaker, beside its recording."""
        from models.base.data import speaker_name

        vocoder = options.pop("vocoder", None)
        options.pop("speaker", None)
        known = self.card.get("speakers") or []
        number = known.index(speaker_name(utterance)) if speaker_name(utterance) in known else 0
        spoken = self._speak(utterance.text, number, **{"speed": 1.0, "pitch": 1.0, "energy": 1.0} | options)
        heard = self._vocode(spoken["mel"], vocoder)
        recorded = {}
        if utterance.audio:
            recorded = self.features(utterance, [n for n in ("mel", "f0", "duration") if n in self.features.features])
            recorded["phones"] = self.features.raw(utterance, ["phone"])["phone"]
        return Sample(heard, utterance.text, spoken, recorded)

    def _speak(self, text: str, speaker: int, **factors: float) -> dict[str, np.ndarray]:
        """mel (frames, n_mel), duration (tokens,) in frames, phones (tokens,), and f0 (frames,) where the model has it."""
        import torch

        from preprocessors.base import Utterance

        for name, value in factors.items():
            if not 0 < value < 100:
                raise ValueError(f"{name} must be above 0 (1 changes nothing), got {value}.")
        line = Utterance(id="-", text=text, language=self.card.get("language", "en-us"))
        phones = self.features.raw(line, ["phone"])["phone"]
        ids = self.features.features["phone"].encode(phones)
        with torch.inference_mode():
            out = self.model.infer(
                torch.from_numpy(ids)[None].to(self.device), torch.tensor([speaker], device=self.device), **factors
            )
        spoken = {name: value[0].float().cpu().numpy() for name, value in out.items() if value.ndim >= 2}
        return spoken | {"phones": phones}

    def _vocode(self, mel: np.ndarray, vocoder: str | None) -> Audio:
        if vocoder not in self._vocoders:
            self._vocoders[vocoder] = self._griffin_lim() if vocoder is None else self._trained(vocoder)
        return self._vocoders[vocoder](mel)

    def _griffin_lim(self) -> Any:
        import torch

        from models.vocoders.griffinlim import GriffinLim

        decoder = GriffinLim(**self.mel_settings)

        def decode(mel: np.ndarray) -> Audio:
            return Audio(decoder.infer(torch.from_numpy(mel)[None])[0].numpy(), self.rate).normalised(-3.0)

        return decode

    def _trained(self, path: str) -> Any:
        from models.base.task import load
        from processors.mel import mel_difference

        vocoder = load(path, device=str(self.device))
        differences = mel_difference(self.mel_settings, vocoder.mel_settings)
        if differences:
            raise ValueError(f"the vocoder {path} reads another mel than this model makes:\n  " + "\n  ".join(differences))
        return vocoder
