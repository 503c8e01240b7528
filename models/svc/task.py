"""Singing voice conversion for users: what somebody sings, in the voice of a speaker of the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.base.task import Sample, Task
from models.vocoders.voicing import Voicing
from utils.audio import Audio

if TYPE_CHECKING:
    from preprocessors.base import Utterance


class SVC(Task):
    """`SVC("song.wav", target="singer") -> Audio`. A model of mels sings through a vocoder of the same mel; without one, by Griffin-Lim."""

    example = "--folder a/folder/of/songs --target a_singer"
    called_with = '"song.wav"'
    align = "cut"
    length_ratio = 1.25

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._vocode = Voicing(self)

    def __call__(
        self,
        source: str | Path,
        *,
        target: str | None = None,
        key_shift: float = 0.0,
        vocoder: str | None = None,
        **options: Any,
    ) -> Audio:
        """The recording `source` in the voice of `target`, a name in the card, None for the first.

        `key_shift` moves the melody by so many semitones. `vocoder` is a release, run or checkpoint, None takes Griffin-Lim. All other
        `options` are those of the model's `infer`. Raises ValueError for a target or an option that the model does not have.
        """
        from preprocessors.base import Utterance

        utterance = Utterance(id=Path(source).stem, audio=str(source))
        number = self.speaker_id(target)
        made = self._convert(utterance, number, key_shift, options)
        return self._sound(made, vocoder)

    def sample(
        self, utterance: Utterance, *, target: str | None = None, key_shift: float = 0.0, vocoder: str | None = None, **options: Any
    ) -> Sample:
        """The utterance in the voice of `target`, None for its own speaker's, beside the recording."""
        number = self.speaker_of(utterance) if target is None else self.speaker_id(target)
        made = self._convert(utterance, number, key_shift, {"seed": 0} | options)
        audio = self._sound(made, vocoder)
        recorded = self.features(utterance, ["mel", "f0"])
        made.setdefault("mel", self._vocode.mel(audio))
        return Sample(audio, utterance.id, made, recorded)

    def _convert(self, utterance: Utterance, speaker: int, key_shift: float, options: dict[str, Any]) -> dict[str, np.ndarray]:
        """mel (frames, n_mel) or audio (samples,), and the f0 (frames,) that was sung."""
        import torch

        chosen = self.chosen(options)
        if chosen.get("seed") is not None and chosen["seed"] < 0:
            chosen["seed"] = None
        contents = self.model.contents
        arrays = self.features(utterance, [*contents, "f0", "energy"])
        arrays["f0"] = arrays["f0"] * 2 ** (key_shift / 12)
        tensors = {}
        for name, array in arrays.items():
            tensors[name] = torch.from_numpy(array)[None].to(self.device)
        voice = torch.tensor([speaker], device=self.device)
        sung = {name: tensors[name] for name in contents}
        out = self.network.infer(sung, tensors["f0"], tensors["energy"], voice, **chosen)
        made = {name: value[0].float().cpu().numpy() for name, value in out.items()}
        return {"f0": arrays["f0"], **made}

    def _sound(self, made: dict[str, np.ndarray], vocoder: str | None) -> Audio:
        """Raises ValueError for a vocoder beside a model that needs none."""
        if "audio" not in made:
            return self._vocode(made["mel"], vocoder)
        if vocoder is not None:
            raise ValueError(f"vocoder: {self.name} makes sound itself, leave {vocoder!r} out.")
        return Audio(made["audio"], self.rate)
