"""Text to speech for users: any acoustic or end-to-end model behind one call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.base.task import Sample, Task
from utils.audio import Audio

if TYPE_CHECKING:
    from preprocessors.base import Utterance


class TTS(Task):
    """`TTS("Hello.") -> Audio`. A model of mels speaks through a vocoder of the same mel; without one, through Griffin-Lim."""

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
        noise_scale: float = 0.667,
        duration_noise: float = 0.8,
        seed: int = -1,
        vocoder: str | None = None,
    ) -> Audio:
        """Speech for `text`.

        `speaker` is a name in the card; `speed` 2 is twice as fast; `pitch` and `energy` scale the predicted
        contours; `noise_scale` and `duration_noise` say how lively voice and rhythm are drawn where they are drawn, and
        the same `seed` draws the same (-1: new each time); `vocoder` is a release, run or checkpoint, None takes
        Griffin-Lim. Raises ValueError for empty text, unknown symbols or speakers, a factor that is not above 0, a control
        that the model lacks, and a vocoder of another mel.
        """
        controls = {"speed": speed, "pitch": pitch, "energy": energy}
        controls |= {"noise_scale": noise_scale, "duration_noise": duration_noise, "seed": seed}
        return self._sound(self._speak(text, self.speaker_id(speaker), **controls), vocoder)

    def convert(self, source: str | Path | Audio, *, source_speaker: str, target_speaker: str, seed: int = -1) -> Audio:
        """A recording of one trained speaker in the voice of another. Raises ValueError for a model that cannot, or an unknown name."""
        import torch

        if not hasattr(self.model, "convert"):
            raise ValueError(f"{self.card['model_type']} converts no voices: VITS of several speakers does.")
        numbers = [torch.tensor([self.speaker_id(name)], device=self.device) for name in (source_speaker, target_speaker)]
        audio = source if isinstance(source, Audio) else Audio.read(source)
        linear = self.features.features["linear"](None, audio.resample(self.rate))
        out = self.model.convert(torch.from_numpy(linear)[None].to(self.device), *numbers, seed=None if seed < 0 else seed)
        return Audio(out["audio"][0].float().cpu().numpy(), self.rate)

    def sample(self, utterance: Utterance, **options: Any) -> Sample:
        """The utterance's text, spoken by its speaker, beside its recording."""
        from models.base.data import speaker_name

        vocoder = options.pop("vocoder", None)
        options.pop("speaker", None)
        known = self.card.get("speakers") or []
        number = known.index(speaker_name(utterance)) if speaker_name(utterance) in known else 0
        spoken = self._speak(utterance.text, number, **{"seed": 0} | options)
        heard = self._sound(spoken, vocoder)
        recorded = {}
        if utterance.audio:
            recorded = self.features(utterance, [n for n in ("mel", "f0", "duration") if n in self.features.features])
            recorded["phones"] = self.features.raw(utterance, ["phone"])["phone"]
            recorded.setdefault("mel", self._mel(utterance.read(self.rate)))
        spoken.setdefault("mel", self._mel(heard))
        return Sample(heard, utterance.text, spoken, recorded)

    def _speak(self, text: str, speaker: int, **controls: float) -> dict[str, np.ndarray]:
        """mel (frames, n_mel) or audio (samples,), duration (tokens,) in frames, phones (tokens,), f0 (frames,) where it has one."""
        import torch

        from preprocessors.base import Utterance

        controls = self._checked(controls)
        line = Utterance(id="-", text=text, language=self.card.get("language", "en-us"))
        phones = self.features.raw(line, ["phone"])["phone"]
        ids = self.features.features["phone"].encode(phones)
        with torch.inference_mode():
            out = self.model.infer(
                torch.from_numpy(ids)[None].to(self.device), torch.tensor([speaker], device=self.device), **controls
            )
        spoken = {name: value[0].float().cpu().numpy() for name, value in out.items() if value.ndim >= 2}
        if len(ids) > len(phones):  # blanks between the phones: they last, but have no name
            names = np.full(len(ids), "", dtype=phones.dtype)
            names[1::2] = phones
            phones = names
        return spoken | {"phones": phones}

    def _checked(self, controls: dict[str, float]) -> dict[str, Any]:
        """The controls that the model has. Raises ValueError for one out of range, and for one that it lacks and a user moved."""
        for name, value in controls.items():
            if name in ("noise_scale", "duration_noise") and not 0 <= value < 100:
                raise ValueError(f"{name} must be 0 (always the same) or above, got {value}.")
            if name in ("speed", "pitch", "energy") and not 0 < value < 100:
                raise ValueError(f"{name} must be above 0 (1 changes nothing), got {value}.")
        has = inspect.signature(self.model.infer).parameters
        usual = inspect.signature(TTS.__call__).parameters
        moved = [name for name, value in controls.items() if name not in has and value != usual[name].default]
        moved = [name for name in moved if name != "seed"]  # what draws nothing says the same for every seed
        if moved:
            known = ", ".join(name for name in usual if name in has and name != "speaker")
            raise ValueError(f"{moved[0]}: {self.card['model_type']} has no such control, leave it out. It has: {known}.")
        kept = {name: value for name, value in controls.items() if name in has}
        return kept | ({"seed": None} if kept.get("seed", 0) < 0 else {})

    def _sound(self, spoken: dict[str, np.ndarray], vocoder: str | None) -> Audio:
        """What was spoken as sound. Raises ValueError for a vocoder beside a model that needs none."""
        if "audio" not in spoken:
            return self._vocode(spoken["mel"], vocoder)
        if vocoder is not None:
            raise ValueError(f"vocoder: {self.card['model_type']} makes sound itself, leave {vocoder!r} out.")
        return Audio(spoken["audio"], self.rate)

    def _mel(self, audio: Audio) -> np.ndarray:
        """A mel to look at, for models that make none themselves."""
        import torch

        from processors.mel import MelSpectrogram

        sizes = {k: v for k, v in self.features.settings.get("linear", {}).items() if k in ("n_fft", "win_size")}
        mel = MelSpectrogram(**self.features.common, **self.features.settings.get("mel", sizes))
        return mel(torch.from_numpy(audio.samples)[None])[0].numpy()

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

    def _trained(self, path: str) -> Callable[[np.ndarray], Audio]:
        from models.base.task import load

        vocoder, made = load(path, device=str(self.device)), self.mel_settings
        try:
            vocoder.convert(np.full((1, made["n_mel"]), made["convention"].silence), made)
        except ValueError as error:
            raise ValueError(f"the vocoder {path} reads another mel than this model makes: {error}") from error
        return lambda mel: vocoder(vocoder.convert(mel, made))
