"""Which models there are: those that came along, and published ones that load as they are, by task, with the line to type.

    python -m bins.models                 all of them
    python -m bins.models tts             of one task: tts, vocoder, svc, tta, codec
    python -m bins.models --language de

Nothing is fetched before a line is typed. Sizes are of what speaks, in millions of parameters; licences are those that the page of the
weights names, which may differ from that of a program, and of the recordings: read the page before you publish what you make.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bins.cli import parser, run

SPEAK = '--text "Hello there."'
TASKS = {"tts": SPEAK, "vocoder": "--folder recordings", "codec": "--folder recordings", "svc": "--folder songs", "tta": '--text "A dog barks."'}
TASK_OF = {"TTS": "tts", "Vocoder": "vocoder", "Codec": "codec", "MelAutoencoder": "codec", "SVC": "svc"}  # by the task's class
PAGE = "see its page"


@dataclass(frozen=True)
class Row:
    """One model. `place`: what `load` takes. `size`: millions of parameters, "" where it was not told."""

    task: str
    place: str
    what: str
    size: str = ""
    language: str = ""
    licence: str = PAGE
    options: str = ""  # that its line needs besides those of its task
    sample: str = ""  # a sound that it made, where one came along

    @property
    def line(self) -> str:
        """What to type."""
        words = ["amphion infer --checkpoint", self.place, TASKS[self.task], self.options]
        return " ".join(word for word in words if word)


PROMPT = '--prompt voice.wav --prompt_text "What is said there."'
PROMPTED = {"VALLE": PROMPT, "NaturalSpeech2": "--prompt voice.wav"}  # what the line of a model needs that speaks like a recording
PUBLISHED = (
    Row("tts", "facebook/mms-tts-eng", "VITS of MMS, 16 kHz; 1,100 languages by their code in place of eng", "36", "en", "CC BY-NC 4.0"),
    Row("tts", "facebook/mms-tts-deu", "VITS of MMS, 16 kHz", "36", "de", "CC BY-NC 4.0"),
    Row("tts", "kakao-enterprise/vits-ljs", "VITS's authors' LJSpeech, 22 kHz", "36", "en", "MIT"),
    Row("tts", "kakao-enterprise/vits-vctk", "VITS's authors' VCTK, 109 voices, 22 kHz", "40", "en", "MIT", "--speaker speaker_4"),
    Row("tts", "en_US-lessac-medium.onnx", "any voice of Piper: its .onnx beside its .onnx.json, from rhasspy/piper-voices", "", "en"),
    Row("tts", "amphion/vits_ljspeech", "Amphion's VITS, LJSpeech", "", "en"),
    Row("tts", "amphion/vits_hifitts", "Amphion's VITS, ten voices of Hi-Fi TTS", "", "en", PAGE, "--speaker hifitts_92"),
    Row("tts", "amphion/fastspeech2_ljspeech", "Amphion's FastSpeech2, LJSpeech; speaks through Griffin-Lim or --vocoder", "", "en"),
    Row("tts", "amphion/valle_libritts", "Amphion's VALL-E, in the voice of a recording", "", "en", PAGE, PROMPT),
    Row("tts", "amphion/naturalspeech2_libritts", "Amphion's NaturalSpeech 2, in the voice of a recording", "", "en", PAGE, PROMPT),
    Row("vocoder", "nvidia/bigvgan_v2_22khz_80band_256x", "BigVGAN v2, 22 kHz, 80 bands", "112", "", "MIT"),
    Row("vocoder", "nvidia/bigvgan_v2_24khz_100band_256x", "BigVGAN v2, 24 kHz, 100 bands", "112", "", "MIT"),
    Row("vocoder", "nvidia/bigvgan_v2_44khz_128band_512x", "BigVGAN v2, 44 kHz, 128 bands", "122", "", "MIT"),
    Row("vocoder", "nvidia/bigvgan_base_24khz_100band", "BigVGAN, 24 kHz, 100 bands", "14", "", "MIT"),
    Row("vocoder", "charactr/vocos-mel-24khz", "Vocos, 24 kHz, 100 bands: the fastest on a processor", "13.5", "", "MIT"),
    Row("vocoder", "UNIVERSAL_V1/g_02500000", "jik876's HiFi-GAN, 22 kHz, 80 bands: links in github.com/jik876/hifi-gan", "13.9", "", "MIT"),
    Row("vocoder", "amphion/hifigan_speech_bigdata/hifigan_speech", "Amphion's HiFi-GAN, 685 hours of speech"),
    Row("vocoder", "amphion/BigVGAN_singing_bigdata/bigvgan_singing", "Amphion's BigVGAN for singing, 24 kHz, 100 bands", "112"),
    Row("vocoder", "amphion/diffwave/diffwave", "Amphion's DiffWave, speech and singing"),
    Row("svc", "amphion/singing_voice_conversion/vocalist_l1_contentvec+whisper", "Amphion's DiffWaveNetSVC, 15 singers", "", "", PAGE,
        "--target vocalist_l1_Adele"),
    Row("svc", "my_voice.pth", "any voice of RVC, v1 or v2: a file and, beside it, its .index"),
    Row("svc", "my_singer/G_30000.pth", "any so-vits-svc 4.1: its G_*.pth beside its config.json"),
    Row("codec", "facebook/encodec_24khz", "EnCodec, 24 kHz, 1.5 to 24 kbit/s", "15"),
    Row("codec", "facebook/encodec_48khz", "EnCodec, 48 kHz stereo, 3 to 24 kbit/s", "19"),
    Row("codec", "amphion/naturalspeech3_facodec", "FACodec of NaturalSpeech 3, 16 kHz: converts voices", "", "", "Apache-2.0"),
    Row("tta", "cvssp/audioldm-s-full-v2", "AudioLDM, 16 kHz: sounds of captions", "", "en", PAGE),
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__, config=False)
    arguments.add_argument("task", nargs="?", choices=tuple(TASKS), help="only those of this task")
    arguments.add_argument("--language", help="only those of this language, such as de")
    options = arguments.parse_args(argv)
    found = [*came_along(), *PUBLISHED]
    wanted = [row for row in found if options.task in (None, row.task) and options.language in (None, row.language[:2])]
    if not wanted:
        languages = sorted({row.language[:2] for row in found if row.language})
        raise ValueError(f"--language {options.language}: there is none here; there are {', '.join(languages)}, and MMS's 1,100 by their codes.")
    for task in TASKS:
        rows = [row for row in wanted if row.task == task]
        if rows:
            print(f"{task}\n" + "\n".join(_told(row) for row in rows) + "\n")
    return 0


def _told(row: Row) -> str:
    facts = [f"{row.size} M" if row.size else "", row.language, row.licence]
    sample = f"\n      sample: {row.sample}" if row.sample else ""
    return f"  {row.what} ({', '.join(filter(None, facts))})\n      {row.line}{sample}"


def came_along(folder: Path | None = None) -> Iterator[Row]:
    """The models that lie in the clone, as their cards tell."""
    from models import MODELS
    from utils.files import ROOT, read_json

    for path in sorted((folder or ROOT / "pretrained").glob("*/card.json")):
        card = read_json(path, dict[str, Any])
        name = path.parent.name
        kind = card["model_type"]
        task = MODELS[kind].task.rpartition(":")[2]
        rate = card["preprocess"]["sample_rate"]
        what = f"{name}, came along: {kind}, {rate} Hz"
        millions = card.get("parameters", 0) / 1e6
        licence = card.get("about", {}).get("license", PAGE)
        language = card.get("language", "en" if task == "TTS" else "")
        place = f"pretrained/{name}"
        row = Row(TASK_OF.get(task, "tta"), place, what, f"{millions:.1f}", language[:2], licence.rstrip("."))
        sample = first_sound(path.parent)
        yield replace(row, options=PROMPTED.get(kind, ""), sample=sample and f"{place}/{sample}")


def first_sound(release: Path) -> str:
    """The first sample of a release, as a path within it; "" where it has none."""
    sounds = sorted(path.relative_to(release).as_posix() for path in release.glob("samples/*.*"))
    return next(iter(sounds), "")


if __name__ == "__main__":
    run(main)
