"""Does a model of several voices keep them apart? Each is heard by Resemblyzer beside recordings of all of them.

    python -m bins.voices --config egs/tts/VITS/vctk.json --name vctk --limit 20

Of the test split every utterance is spoken in its own voice, and its recording converted to the voices that come after it
(`--targets`), where the model converts. `voices.md` says how alike each result is to recordings of the training split: of the
voice it should have, of the voice that it came from, and of the others; `voices.png` shows every voice against every other;
all sounds lie beside them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bins.cli import parser, run

if TYPE_CHECKING:
    import numpy as np

    from preprocessors.base import Utterance

RECORDINGS = 10  # of each voice that a result is compared with


@dataclass(frozen=True)
class Heard:
    """One sound: how it was made, whose voice it should have, whose it was before (or the same), its likeness to each voice."""

    made: str
    wanted: str
    source: str
    likeness: dict[str, float]

    @property
    def others(self) -> float:
        """The mean likeness to the voices that are neither wanted nor the source; nan where there is none."""
        rest = [value for name, value in self.likeness.items() if name not in (self.wanted, self.source)]
        return sum(rest) / len(rest) if rest else float("nan")


def main(argv: list[str] | None = None) -> int:
    made = parser(__doc__)
    made.add_argument("-n", "--name", required=True, help="the run to hear")
    made.add_argument("--which", choices=("newest", "best"), default="newest", help="which checkpoint of the run")
    made.add_argument("--limit", type=int, help="at most so many utterances of the test split")
    made.add_argument("--targets", type=int, default=5, help="voices that each recording is converted to, at most (default 5)")
    made.add_argument("--out", help="folder of the results (default: result/voices beside the checkpoints)")
    options = made.parse_args(argv)
    from models.base.experiment import Experiment
    from models.base.task import load
    from utils.files import write_json, write_whole
    from utils.log import log

    experiment = Experiment.read(options.config, options.set)
    folder = experiment.run_folder(options.name)
    out = Path(options.out) if options.out else folder / "result" / "voices"
    known = _known(experiment.utterances("train"))
    if len(known) < 2:
        raise ValueError(f"the train split has one voice ({', '.join(known)}): this tells voices apart, and needs two or more.")
    utterances = experiment.division(known).take("test")[: options.limit]
    if not utterances:
        raise ValueError("the test split holds no utterance of a voice of the train split: there is nothing to hear.")
    heard = hear(load(folder, which=options.which), utterances, known, out, options.targets)
    text = table(heard)
    write_json(out / "voices.json", [vars(one) for one in heard])
    write_whole(out / "voices.md", lambda path: path.write_text(text, encoding="utf-8"))
    _draw(heard, sorted(known), out / "voices.png")
    print(text)
    log.info(f"{len(heard)} sounds, the table and a picture in {out}")
    return 0


def _known(utterances: list[Utterance]) -> dict[str, list[Utterance]]:
    """The first recordings of each voice."""
    from models.base.splits import speaker_name

    known: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        if len(known[speaker_name(utterance)]) < RECORDINGS:
            known[speaker_name(utterance)].append(utterance)
    return dict(known)


def hear(task: Any, utterances: list[Utterance], known: dict[str, list[Utterance]], out: Path, targets: int) -> list[Heard]:
    """All recordings, what the model says of their texts, and their conversions.

    What cannot be said, and sounds of no voice, are left out and named.
    """
    from tqdm import tqdm

    from evaluation.similarity import cosine
    from models.base.splits import speaker_name
    from utils.log import log

    rate = task.rate
    voices = {name: _voice(name, some, rate) for name, some in known.items()}
    found = []
    for utterance in tqdm(utterances, desc="voices", unit="file"):
        source = speaker_name(utterance)
        after = sorted(name for name in voices if name > source) + sorted(name for name in voices if name < source)
        for made, wanted, make in _ways(task, utterance, source, after[:targets]):
            try:
                audio = make()
                audio.write(out / made / f"{utterance.id}_{wanted}.wav")
                mine = embedding(audio)
            except ValueError as error:
                log.warning(f"{utterance.id}, {made} as {wanted}: {error}")
                continue
            found.append(Heard(made, wanted, source, {name: float(cosine(mine, voice)[0, 0]) for name, voice in voices.items()}))
    return found


def _ways(task: Any, utterance: Utterance, source: str, targets: list[str]) -> list[tuple[str, str, Callable[[], Any]]]:
    """What to hear of an utterance: (how it is made, the wanted voice, what makes it)."""
    recorded = utterance.read(task.rate)
    ways = [("recorded", source, lambda: recorded), ("spoken", source, lambda: task.sample(utterance).audio)]
    if hasattr(task.model, "convert"):
        convert = partial(task.convert, recorded, source_speaker=source, seed=0)
        ways += [("converted", name, partial(convert, target_speaker=name)) for name in targets]
    return ways


def embedding(audio: Any) -> np.ndarray:
    """Resemblyzer's embedding, (1, 256) of length one. Raises ValueError where there is no speech."""
    from evaluation.similarity import RATE, resemblyzer_speaker

    return resemblyzer_speaker(audio.resample(RATE), device="cpu").values


def _voice(name: str, utterances: list[Utterance], rate: int) -> np.ndarray:
    """The mean embedding, (1, 256), of what is speech among a voice's recordings. Raises ValueError where nothing is."""
    from utils.log import log

    found = []
    for utterance in utterances:
        try:
            found.append(embedding(utterance.read(rate)))
        except ValueError as error:
            log.warning(f"{utterance.id}, recorded for comparison: {error}")
    if not found:
        raise ValueError(f"{name}: none of its first {len(utterances)} training recordings holds speech to compare with; look at them.")
    return sum(found) / len(found)


def table(heard: list[Heard]) -> str:
    """Markdown: how alike, on average, what was made is to each kind of voice, and how often the wanted one is the nearest."""
    rows = [
        "| | sounds | to the wanted voice | to the source's | to others | nearest is the wanted |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for made in dict.fromkeys(one.made for one in heard):
        some = [one for one in heard if one.made == made]
        wanted = sum(one.likeness[one.wanted] for one in some) / len(some)
        before = [one.likeness[one.source] for one in some if one.source != one.wanted]
        rest = [one.others for one in some if one.others == one.others]
        nearest = sum(max(one.likeness, key=one.likeness.__getitem__) == one.wanted for one in some)
        parts = [made, str(len(some)), f"{wanted:.2f}"]
        parts += [f"{sum(values) / len(values):.2f}" if values else "-" for values in (before, rest)]
        rows.append(f"| {' | '.join(parts)} | {nearest} of {len(some)} |")
    return "\n".join(rows) + "\n"


def _draw(heard: list[Heard], names: list[str], path: Path) -> None:
    """For each way of making, the wanted voice (rows) against the voices heard (columns)."""
    import numpy as np

    from visualization.plot import matrices, save

    shown = {}
    for made in dict.fromkeys(one.made for one in heard):
        rows = [[one for one in heard if (one.made, one.wanted) == (made, name)] for name in names]
        shown[made] = np.array([[np.mean([o.likeness[n] for o in row]) if row else np.nan for n in names] for row in rows])
    save(matrices(shown, names, across="likeness to recordings of", along="should be"), path)


if __name__ == "__main__":
    run(main)
