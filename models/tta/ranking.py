"""Which of several sounds is nearest to a caption, by CLAP (https://arxiv.org/abs/2211.06687)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils import pretrained
from utils.audio import Audio
from utils.pretrained import Source

RATE = 48_000
CLAP = Source("clap", "CLAP: a folder or a hub id of transformers' ClapModel", hub="laion/clap-htsat-unfused")


class Ranker:
    """CLAP, at a path or hub id; None takes that of the folder AMPHION_MODELS. Raises ValueError where there is none, or another network,
    and where it lacks its tokenizer or feature extractor."""

    def __init__(self, clap: str | None, device: str) -> None:
        self.place = pretrained.find(CLAP, clap or "")
        kind = pretrained.settings(self.place, "config.json").get("model_type", "none")
        if kind != "clap":
            raise ValueError(
                f"clap: {self.place} is no CLAP, the model_type in its config.json is {kind}: give a folder or hub id such as {CLAP.hub}."
            )
        self.device = device
        # Before sounds are made, which take long: a folder may lack either.
        self.tokenizer = pretrained.preprocessor(self.place, "AutoTokenizer")
        if len(self.tokenizer) <= len(self.tokenizer.all_special_ids):  # transformers makes one of nothing where its files are missing
            raise ValueError(f"clap: {self.place} holds no words of a tokenizer, which tokenizer.json should: copy it there.")
        self.extractor = pretrained.preprocessor(self.place)

    def ranked(self, caption: str, sounds: Sequence[Audio]) -> list[Audio]:
        """The sounds, the one that is nearest to the caption first."""
        scores = self.scores(caption, sounds)
        order = np.argsort(-scores, kind="stable")
        return [sounds[place] for place in order]

    def scores(self, caption: str, sounds: Sequence[Audio]) -> np.ndarray:
        """(sounds,) the cosine of the angle between caption and sound, in CLAP's space."""
        import torch

        model = pretrained.from_transformers(self.place, "ClapModel", self.device)
        waves = [sound.resample(RATE).samples for sound in sounds]
        with torch.inference_mode():
            tokens = self.tokenizer([caption], return_tensors="pt", truncation=True).to(self.device)
            heard = self.extractor(waves, sampling_rate=RATE, return_tensors="pt").to(self.device)
            text = embedding(model.get_text_features(**tokens))
            audio = embedding(model.get_audio_features(**heard))
            cosines = torch.nn.functional.cosine_similarity(text, audio)
        return cosines.cpu().numpy()


def embedding(features: object) -> object:
    """The vectors (rows, channels), which some versions of transformers give within an output of several."""
    return getattr(features, "pooler_output", features)


def available(clap: str | None) -> bool:
    """Whether there is one to rank by. A path or hub id that was named is taken to be one."""
    return bool(clap) or not pretrained.absent(CLAP)
