"""Every model of the house, in one table: its task, its networks, and how it trains.

    acoustic models        TTS       FastSpeech2
    text to sound at once  TTS       VITS
    vocoders               Vocoder   HiFiGAN

A new model is one file, one row here, and one recipe folder; the tests range over this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.base.task import Task


@dataclass(frozen=True)
class Spec:
    """Where a model's parts live, as "module:attribute", imported when asked."""

    task: str
    model: str
    trainer: str


TTS = "models.tts.task:TTS"
VOCODER = "models.vocoders.task:Vocoder"

SUPERVISED = "models.base.trainer:Trainer"
ADVERSARIAL = "models.base.gan:GANTrainer"

MODELS = {
    "FastSpeech2": Spec(TTS, "models.tts.fastspeech2:FastSpeech2", SUPERVISED),
    "VITS": Spec(TTS, "models.tts.vits:VITS", ADVERSARIAL),
    "HiFiGAN": Spec(VOCODER, "models.vocoders.hifigan:HiFiGAN", ADVERSARIAL),
}


def load(path: str, **options: Any) -> Task:
    """The task that `path` can do: a release, a checkpoint, a run, an upstream folder or file, or a hub id.

    `load("ckpts/tts/ex1")("Hello.").write("hello.wav")`. See `models.base.task.load`.
    """
    from models.base.task import load as load_task

    return load_task(path, **options)
