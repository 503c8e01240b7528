"""What Whisper hears in a sound, as text: transcripts for a corpus that has none, and words to count errors in.

Robust speech recognition via large-scale weak supervision (https://arxiv.org/abs/2212.04356), by the package openai-whisper.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from utils import pretrained
from utils.audio import Audio
from utils.pretrained import Source
from utils.registry import nearest

RATE = 16000
MANDARIN = "以下是普通话的句子"  # makes Whisper write Chinese in simplified characters
WHISPER = Source(
    "whisper",
    "Whisper: a .pt file, its folder, or a name such as large-v3",
    form="FILE.pt",
    origin="https://github.com/openai/whisper",
    hub="large-v3",
    names=pretrained.whisper_names,
)
BY_ESPEAK = {"cmn": "zh", "nb": "no"}  # languages of manifests that Whisper has another code for
OF_CORPORA = replace(WHISPER, setting="preprocess.transcribe.model")


@dataclass(frozen=True)
class Transcription:
    """The section `preprocess.transcribe`: recordings without words get those that a Whisper hears.

    `model` is its .pt, or a name such as "large-v3"; "" looks in the folder AMPHION_MODELS. `device` "auto" takes a GPU where there is one.
    """

    model: str = ""
    device: str = "auto"

    @property
    def absent(self) -> str:
        """Why nothing can be transcribed here, as the rest of a sentence; "" where it can."""
        return pretrained.absent(OF_CORPORA, self.model)

    @property
    def place(self) -> str:
        """Where the Whisper lies. Raises ValueError where it does not."""
        return pretrained.find(OF_CORPORA, self.model)

    def __call__(self, audio: Audio, language: str) -> str:
        """The words of a sound of any rate; `language` as in manifests."""
        device = self.device
        if device == "auto":
            import torch

            device = "cuda" if torch.cuda.is_available() else "cpu"
        sound = audio.resample(RATE)
        return transcript(sound, place=self.place, language=spoken_in(language), device=device)


def spoken_in(language: str) -> str:
    """The language of a manifest ("cmn") as Whisper knows it ("zh")."""
    return BY_ESPEAK.get(language, language)


def transcript(audio: Audio, *, place: str, language: str, device: str) -> str:
    """What the Whisper at `place` hears in a sound of 16 kHz, always the same: at temperature 0, without the dice of its fallbacks.

    Of silence, which it fills, nothing. Raises ValueError for a language that it does not know.
    """
    if audio.silent:
        return ""
    code = code_of(language)
    prompt = MANDARIN if code == "zh" else None
    model = pretrained.whisper(place, device)
    how = {"temperature": 0.0, "initial_prompt": prompt, "fp16": device != "cpu", "verbose": None}
    transcription = model.transcribe(audio.samples, language=code, **how)
    text = str(transcription["text"])
    return text.strip()


def code_of(language: str) -> str:
    """Whisper's code of a language: "german", "German", "de" and "de-AT" are "de". Raises ValueError with the nearest name."""
    from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

    name = language.strip().lower().replace("_", "-")
    language_alone = name.partition("-")[0]
    for candidate in (name, language_alone):
        code = TO_LANGUAGE_CODE.get(candidate, candidate)
        if code in LANGUAGES:
            return code
    raise ValueError(nearest(language, [*LANGUAGES, *TO_LANGUAGE_CODE], "language"))
