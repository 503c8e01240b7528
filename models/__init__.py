"""Every model of the house, in one table: its task, its networks, and how it trains.

    text to mel            TTS       FastSpeech2
    text to sound at once  TTS       VITS, Jets
    text and a prompt      TTS       VALLE                                     (codes of a codec, one after another)
                                     NaturalSpeech2                            (latents of a codec, by diffusion)
    vocoders               Vocoder   HiFiGAN, NSFHiFiGAN, BigVGAN, MelGAN      (adversarial)
                                     Vocos, APNet                              (adversarial, in the spectrum)
                                     WaveGlow, DiffWave                        (a flow, a diffusion)
                                     WaveNet, WaveRNN                          (one sample after another)
    song to mel            SVC       DiffWaveNetSVC, DiffComoSVC               (diffusions, the second of one step)
                                     TransformerSVC                            (in one pass)
    song to song at once             VitsSVC, SoVITS, RVC                      (adversarial)
    sound to codes         Codec     EnCodec, FACodec                          (adversarial)
    mel to latents         MelAutoencoder AutoencoderKL                        (adversarial, on the mel)
    caption to sound       TTA       AudioLDM                                  (a diffusion of latents)
    events to sound        TimedTTA  PicoAudio                                 (the same, with a map of what sounds when)

A new model is one file, one row here, and one recipe folder; the tests range over this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

try:
    from utils.registry import load_object
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("utils"):
        raise
    import utils

    raise ImportError(f"{utils.__file__} has the name of a package of Amphion's, utils, and is found before it: rename it.") from error

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
SVC = "models.svc.task:SVC"
CODEC = "models.codec.task:Codec"
AUTOENCODER = "models.tta.autoencoding:MelAutoencoder"
TTA = "models.tta.task:TTA"
TIMED = "models.tta.timed:TimedTTA"

FOREIGN = "models.upstream:read_foreign"  # what reads the checkpoints of other programs
FOREIGN_TYPE = "models.upstream:foreign_model_type"  # and what tells which model of ours one is

SUPERVISED = "models.base.trainer:Trainer"
ADVERSARIAL = "models.base.gan:GANTrainer"

MODELS = {
    "FastSpeech2": Spec(TTS, "models.tts.fastspeech2:FastSpeech2", SUPERVISED),
    "VITS": Spec(TTS, "models.tts.vits:VITS", ADVERSARIAL),
    "Jets": Spec(TTS, "models.tts.jets:Jets", ADVERSARIAL),
    "VALLE": Spec(TTS, "models.tts.valle:VALLE", SUPERVISED),
    "NaturalSpeech2": Spec(TTS, "models.tts.naturalspeech2:NaturalSpeech2", SUPERVISED),
    "HiFiGAN": Spec(VOCODER, "models.vocoders.hifigan:HiFiGAN", ADVERSARIAL),
    "BigVGAN": Spec(VOCODER, "models.vocoders.bigvgan:BigVGAN", ADVERSARIAL),
    "MelGAN": Spec(VOCODER, "models.vocoders.melgan:MelGAN", ADVERSARIAL),
    "NSFHiFiGAN": Spec(VOCODER, "models.vocoders.nsfhifigan:NSFHiFiGAN", ADVERSARIAL),
    "Vocos": Spec(VOCODER, "models.vocoders.vocos:Vocos", ADVERSARIAL),
    "APNet": Spec(VOCODER, "models.vocoders.apnet:APNet", ADVERSARIAL),
    "WaveGlow": Spec(VOCODER, "models.vocoders.waveglow:WaveGlow", SUPERVISED),
    "DiffWave": Spec(VOCODER, "models.vocoders.diffwave:DiffWave", SUPERVISED),
    "WaveNet": Spec(VOCODER, "models.vocoders.wavenet:WaveNet", SUPERVISED),
    "WaveRNN": Spec(VOCODER, "models.vocoders.wavernn:WaveRNN", SUPERVISED),
    "DiffWaveNetSVC": Spec(SVC, "models.svc.diffwavenet:DiffWaveNetSVC", SUPERVISED),
    "DiffComoSVC": Spec(SVC, "models.svc.como:DiffComoSVC", SUPERVISED),
    "TransformerSVC": Spec(SVC, "models.svc.transformer:TransformerSVC", SUPERVISED),
    "VitsSVC": Spec(SVC, "models.svc.vits:VitsSVC", ADVERSARIAL),
    "SoVITS": Spec(SVC, "models.svc.sovits:SoVITS", ADVERSARIAL),
    "RVC": Spec(SVC, "models.svc.rvc:RVC", ADVERSARIAL),
    "EnCodec": Spec(CODEC, "models.codec.encodec:EnCodec", ADVERSARIAL),
    "FACodec": Spec(CODEC, "models.codec.facodec:FACodec", ADVERSARIAL),
    "AutoencoderKL": Spec(AUTOENCODER, "models.tta.autoencoderkl:AutoencoderKL", ADVERSARIAL),
    "AudioLDM": Spec(TTA, "models.tta.audioldm:AudioLDM", SUPERVISED),
    "PicoAudio": Spec(TIMED, "models.tta.picoaudio:PicoAudio", SUPERVISED),
}


def load(path: str, **options: Any) -> Task:
    """The task that `path` can do: a release, a checkpoint, a run, an upstream folder or file, or a hub id.

    `load("ckpts/tts/ex1")("Hello.").write("hello.wav")`. See `models.base.task.load`.
    """
    return load_object("models.base.task:load")(path, **options)
