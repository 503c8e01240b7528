"""How much of a demo model's speech a recogniser understands, beside the corpus's own sound and noise.

    python -m tests.intelligibility --checkpoint ckpts/demo/tiny

Twenty sentences that are not in the corpus, spoken by the model and by the corpus's own voice; word error rate by
pocketsphinx, whose model ships in its package. It is a weak judge, but it tells speech from mumbling.
"""

import argparse
import re
from random import Random

import numpy as np

from utils.audio import Audio


def heard(audio: Audio) -> str:
    """What pocketsphinx makes of a sound."""
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=16000, loglevel="FATAL")
    samples = np.pad(audio.resample(16000).normalised(-3.0).samples, 2400)
    # A noise floor for all alike: its models know no digital silence.
    samples = samples + 8e-4 * np.random.default_rng(0).standard_normal(len(samples))
    decoder.start_utt()
    decoder.process_raw((np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    return decoder.hyp().hypstr if decoder.hyp() else ""


def error_rate(texts: list[str], sounds: list[Audio]) -> float:
    """Word errors over words, of all sentences together."""
    import jiwer

    clean = [re.sub(r"[^a-z' ]", "", text.lower().replace("-", " ")) for text in texts]
    return jiwer.wer(clean, [heard(sound) for sound in sounds])


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--checkpoint", default="ckpts/demo/tiny")
    options = made.parse_args()
    from models import load
    from preprocessors import demo

    task, speak = load(options.checkpoint, device="cpu"), demo.Synthesiser()
    texts = demo.sentences_of(Random("unseen 0"), 20, held_out=True)
    random = np.random.default_rng(0)
    sounds = {"the model": [], "the corpus's own voice": [], "noise": []}
    for i, text in enumerate(texts):
        voice = demo.VOICES[i % len(demo.VOICES)]
        spoken = task(text, speaker=voice.name)
        sounds["the model"].append(spoken)
        sounds["the corpus's own voice"].append(speak(text, voice)[0])
        sounds["noise"].append(Audio(0.1 * random.standard_normal(len(spoken.samples)), spoken.rate))
    for name, found in sounds.items():
        print(f"{name:24} word error rate {error_rate(texts, found):6.1%}")


if __name__ == "__main__":
    main()
