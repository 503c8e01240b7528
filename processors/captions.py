"""Captions as what a text encoder makes of them: the condition of text to audio.

    preprocess: { features: { caption: { model: "google/flan-t5-base" } } }

Any text encoder of transformers will do, by its folder or hub id: T5 and FLAN-T5, BERT and what is built like it (MiniLM), or the
text half of CLAP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from preprocessors.base import Utterance
from processors.batched import BatchedFeature
from utils import pretrained
from utils.audio import Audio
from utils.pretrained import Source

if TYPE_CHECKING:
    from processors.features import FeatureSet

SOURCE = Source(
    "text_encoder",
    "a text encoder in transformers' layout, with its tokenizer: T5, FLAN-T5, BERT, MiniLM, or CLAP's text half",
    hub="google/flan-t5-base",
    setting="preprocess.features.caption.model",
)
OPTION = replace(SOURCE, setting="")  # the same, named by the option text_encoder
# The classes of transformers that read text alone, where AutoModel would take another half with it.
CLASSES = {
    "t5": "T5EncoderModel",
    "mt5": "MT5EncoderModel",
    "umt5": "UMT5EncoderModel",
    "clap": "ClapTextModelWithProjection",
    "clap_text_model": "ClapTextModelWithProjection",
    "clip": "CLIPTextModel",
    "clip_text_model": "CLIPTextModel",
}
PROJECTED = ("clap", "clap_text_model")  # those that give one vector, in the space of sounds
UNUSED = ("position_ids", "pooler.dense.weight", "pooler.dense.bias", "pooler.weight", "pooler.bias")  # that a folder may lack
AT_ONCE = 64  # captions that go through the network together
MOST = 4096  # tokens that a tokenizer without a limit of its own is asked for


@dataclass(kw_only=True, eq=False)
class Captions(BatchedFeature):
    """The last states of a text encoder, (tokens, channels) float16; of CLAP one vector of length 1, (1, channels).

    `model`: its folder or hub id; "" looks in the folder AMPHION_MODELS. `pooled` has the mean of its tokens, (1, channels). Which
    encoder it was, its digest says, which travels in the card. Raises ValueError for a caption without a word, one of more tokens
    than the encoder reads, and an encoder that is not there, or another than was learnt with.
    """

    axis: ClassVar[str] = "token"
    of: ClassVar[str] = "text"
    dimensions: ClassVar[int] = 2
    rounded_to: ClassVar[str] = "float16"
    padding_changes: ClassVar[bool] = False
    gives: ClassVar[tuple[str, ...]] = ("caption_channels", "empty_tokens")  # the latter: tokens that a caption without a word has

    model: str = ""
    pooled: bool = False

    def __post_init__(self) -> None:
        self.restore({}, None)

    @property
    def facts(self) -> dict[str, Any]:
        empty = self.empty
        return {"caption_channels": empty.shape[1], "empty_tokens": len(empty)}

    @property
    def empty(self) -> np.ndarray:
        """What the encoder makes of a caption without a word, (tokens, channels) float32: the condition that guidance moves away from."""
        if not self.learned.get("empty"):
            (array,) = self.embedded([""])
            self.learned = {**self.learned, "empty": np.round(array, 5).tolist()}
        return np.array(self.learned["empty"], dtype=np.float32)

    def __call__(self, utterance: Utterance, audio: Audio | None, **needed: np.ndarray) -> np.ndarray:
        (array,) = self.compute([utterance], [], self.device)
        return array

    def compute(self, utterances: Sequence[Utterance], audios: Sequence[Audio], device: str) -> list[np.ndarray]:
        captions = [worded(utterance.text) for utterance in utterances]
        return self.embedded(captions, device)

    def basis(self, utterance: Utterance) -> Any:
        return utterance.text

    def embedded(self, captions: Sequence[str], device: str = "cpu", *, least: int = 0) -> list[np.ndarray]:
        """The arrays of captions, float32, wordless ones among them.

        With `least`, shorter ones are padded to so many tokens, and the encoder sees the padding: as some published models were trained.
        Raises ValueError for a caption of too many tokens.
        """
        found = []
        for first in range(0, len(captions), AT_ONCE):
            block = list(captions[first : first + AT_ONCE])
            found += self._embedded(block, device, least)
        return found

    def _embedded(self, captions: list[str], device: str, least: int) -> list[np.ndarray]:
        import torch

        place = self._place()
        tokenizer = pretrained.preprocessor(part_of(place, "tokenizer"), "AutoTokenizer")
        check_lengths(captions, tokenizer)
        padding: dict[str, Any] = {"padding": True}
        if least:
            padding = {"padding": "max_length", "max_length": least}
        tokens = tokenizer(captions, return_tensors="pt", **padding)
        ids = tokens["input_ids"].to(device)
        mask = tokens["attention_mask"].to(device)
        network, projects = encoder(place, device)
        with torch.inference_mode():
            given = torch.ones_like(mask) if least else mask
            out = network(input_ids=ids, attention_mask=given)
        if projects:
            vectors = torch.nn.functional.normalize(out.text_embeds.float(), dim=-1)
            return list(vectors[:, None].cpu().numpy())
        states = out.last_hidden_state.float().cpu().numpy()
        kept = given.bool().cpu().numpy()
        arrays = [rows[own] for rows, own in zip(states, kept, strict=True)]
        return [array.mean(0, keepdims=True) for array in arrays] if self.pooled else arrays

    # Which encoder it was

    def _place(self) -> str:
        """Where the encoder lies; one of a card whose path is of another machine is looked for in AMPHION_MODELS."""
        if self.found:
            return self.found
        moved = self.learned and pretrained.absent(SOURCE, self.model)
        place = pretrained.find(SOURCE, "" if moved else self.model)
        expected = self.learned.get("network", "")
        if expected and pretrained.digest(place) != expected:
            cure = f"give the one that it was as {SOURCE.given('FOLDER')}, or put it into {pretrained.FOLDER} as {SOURCE.name}"
            raise ValueError(f"caption: {place} is another text encoder than was trained with, whose digest is {expected}: {cure}.")
        self.found = place
        return place

    def fit(self, utterances: list[Utterance], features: FeatureSet, folder: Path, *, jobs: int, cluster: str) -> dict[str, Any]:
        """Notes which encoder it is, and what it makes of no words, so that training needs it no more."""
        self.restore({}, folder)
        network = pretrained.digest(self._place())
        learned = {"network": network, "empty": self.empty.tolist()}
        pretrained.forget()
        return learned

    def whole(self, learned: dict[str, Any], folder: Path) -> bool:
        """False for an encoder that has changed since. One that is not here, or on a hub, is taken as it was."""
        if not learned.get("network") or not learned.get("empty"):
            return False
        place = pretrained.locate(SOURCE, self.model)
        return not Path(place or "-").exists() or pretrained.digest(place) == learned["network"]

    def restore(self, learned: dict[str, Any], folder: Path | None) -> None:
        self.learned = learned
        self.found = ""  # where the encoder is: it is looked for, and its digest compared, once

    def place(self, utterance: Utterance) -> str:
        return self.learned.get("network", "")


def worded(caption: str) -> str:
    """A caption as it is, without the space around it. Raises ValueError for one without a word, and for what is no text."""
    check_text(caption)
    stripped = caption.strip()
    if not any(character.isalnum() for character in stripped):
        raise ValueError(f'the caption {caption!r} has no word: say what sounds, such as "rain on a roof".')
    return stripped


def check_text(text: Any) -> None:
    """Raises ValueError for what is no text."""
    if not isinstance(text, str):
        raise ValueError(f"text must be a text, got {text!r}.")


def check_lengths(captions: Sequence[str], tokenizer: Any) -> None:
    """Raises ValueError for a caption of more tokens than the encoder reads."""
    most = min(tokenizer.model_max_length, MOST)
    for caption in captions:
        count = len(tokenizer(caption, verbose=False)["input_ids"])
        if count > most:
            shown = caption[:40]
            raise ValueError(
                f"the caption {shown!r}... has {count} tokens, and the text encoder reads {most}: shorten it, a sentence or two say enough."
            )


def encoder(place: str, device: str) -> tuple[Any, bool]:
    """The network that lies there, loaded once, and whether it gives one vector in the space of sounds."""
    folder = part_of(place, "text_encoder")
    kind = pretrained.settings(folder, "config.json").get("model_type", "")
    name = CLASSES.get(kind, "AutoModel")
    network = pretrained.from_transformers(folder, name, device, UNUSED)
    return network, kind in PROJECTED


def part_of(place: str, name: str) -> str:
    """The folder of a part where `place` is that of a pipeline of diffusers, which keeps the parts apart; else `place`."""
    folder = Path(place) / name
    return str(folder) if folder.is_dir() else place
