"""A checkpoint becomes a release: weights, card, a README under the eight headings of a model card, and samples.

    python -m bins.release --checkpoint ckpts/tts/ex1 --out pretrained/fastspeech2_ljspeech --about about.json

about.json gives what no program can know: {"name": ..., "description": ..., "datasets": ..., "license": ..., "ethics": ..., "demo": ...}.
What the card tells by itself, it may leave out: `datasets` where the card has a ledger, `demo` where there are samples. A licence that allows
what a corpus or other weights forbid is refused.

    python -m bins.release ... --push someone/voice        and it goes to the hub, where `load("someone/voice")` has it from
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from bins.cli import parser, run

ABOUT = {
    "name": "the name of the release",
    "description": "what it does and for whom, in a sentence or two",
    "datasets": "what it was trained on, with hours and links",
    "license": "the licence of the weights",
    "ethics": "what it must not be used for, and whose voice it is",
    "demo": "where to hear it, or how to try it",
}
PIPELINES = {"TTS": "text-to-speech", "TTA": "text-to-audio"}  # what a hub calls a task; "audio-to-audio" are all others


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__, config=False)
    arguments.add_argument("--checkpoint", required=True, help="a run or one of its checkpoints")
    arguments.add_argument("--which", choices=("newest", "best"), default="newest", help="which checkpoint of a run")
    arguments.add_argument("--out", required=True, help="the release's folder")
    arguments.add_argument("--about", required=True, help="a JSON file with " + ", ".join(ABOUT))
    arguments.add_argument("--result", help="result.json of the evaluate stage (default: the run's own)")
    arguments.add_argument("--half", action="store_true", help="store weights as float16: half the size")
    arguments.add_argument("--samples", type=int, default=3, help="sounds of the infer stage to add")
    arguments.add_argument("--push", help="a hub id, owner/name: the release is uploaded there, too (log in first: hf auth login)")
    options = arguments.parse_args(argv)
    from models.base.loading import resolve
    from utils.log import log

    folder = release(resolve(options.checkpoint, which=options.which), Path(options.out), options)
    log.info(f"released in {folder}: {sum(p.stat().st_size for p in folder.rglob('*') if p.is_file()) / 1e6:.1f} MB")
    if options.push:
        log.info(f"pushed to {push(folder, options.push)}")
    return 0


def release(checkpoint: Path, out: Path, options: Any) -> Path:
    """Writes the release. Raises ValueError listing every heading that would stay empty."""
    from evaluation.result import read_result
    from evaluation.shapes import TableFile
    from models.base.checkpoint import read_release, save_release
    from models.base.published import published
    from utils.files import read_json, write_whole

    about = read_json(Path(options.about), dict[str, Any])
    card, weights = read_release(checkpoint)
    card = published(card)
    result_folder = checkpoint.parent.parent / "result"
    samples = sorted((result_folder / "generated").glob("*.wav"))[: options.samples]
    told = {"datasets": bool(card.get("ledger")), "demo": bool(samples)}
    missing = [f"{key} ({meaning})" for key, meaning in ABOUT.items() if not _says(about, key) and not told.get(key)]
    result_path = Path(options.result) if options.result else result_folder / "result.json"
    if not result_path.is_file():
        missing.append(f"results: no {result_path}; run the infer and evaluate stages first, or give --result")
    if missing:
        raise ValueError("a release needs a whole card; still empty:\n  " + "\n  ".join(missing))
    _check_licence(about["license"], card, options.about)
    result = read_result(result_path, TableFile)
    if options.half:
        weights = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    save_release(out, {**card, "about": about}, weights)
    for path in samples:
        (out / "samples").mkdir(exist_ok=True)
        shutil.copy(path, out / "samples" / path.name)
    readme = model_card(card, about, result, out)
    write_whole(out / "README.md", lambda p: p.write_text(readme, encoding="utf-8"))
    return out


def _says(about: dict[str, Any], key: str) -> bool:
    return isinstance(about.get(key), str) and bool(about[key].strip())


def _check_licence(licence: str, card: dict[str, Any], source: str) -> None:
    """Raises ValueError for a licence that allows any use of weights of which a source does not."""
    from models.base.ledger import restrictions
    from utils.licences import restricted

    forbidding = restrictions(card.get("ledger", []))
    if forbidding and not restricted(licence):
        raise ValueError(
            f"{source}: the license {licence!r} allows any use, which these forbid: {'; '.join(forbidding)}. "
            'Choose one that is non-commercial, too, such as "CC BY-NC-SA 4.0", or train without them.'
        )


def model_card(card: dict[str, Any], about: dict[str, str], result: dict[str, Any], out: Path) -> str:
    """The README: metadata, datasets, training, results, usage, demo, licence, ethics."""
    import json

    from evaluation.result import markdown
    from models import MODELS
    from utils.markdown import one_line, paragraphs
    from utils.registry import load_object

    said = {key: paragraphs(about.get(key, "")) for key in ABOUT}
    versions = {key: one_line(str(value)) for key, value in card.get("versions", {}).items()}
    train = json.dumps(card.get("train", {}), indent=2)
    task = load_object(MODELS[card["model_type"]].task)
    return f"""# {one_line(about["name"])}

{said["description"]}

## Metadata

| | |
|---|---|
| architecture | {card["model_type"]} |
| parameters | {card.get("parameters", 0) / 1e6:.2f} M |
| sampling rate | {card["preprocess"]["sample_rate"]} Hz |
| speakers | {len(card.get("speakers", []))} |
| made with | Amphion {versions.get("amphion", "?")}, commit {versions.get("commit", "?")}, torch {versions.get("torch", "?")} |

## Datasets

{_blocks(said["datasets"], _sources(card))}

## Training

{card.get("step", 0)} updates with:

```json
{train}
```

## Results

On recordings that training has not seen:

{markdown(result)}

## Usage

```python
from models import load

load("{out}")({task.called_with}).write("out.wav")
```

{_needs(card)}To fine-tune: `--set train.init_from={out}` on the train stage of its recipe.

## Demo

{_blocks(said["demo"], _sounds(out))}

## Licence

{_blocks(said["license"], _terms(card))}

## Ethics

{said["ethics"]}
"""


def _blocks(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _sources(card: dict[str, Any]) -> str:
    """A table of the corpora and weights that the card says it was made with; "" where it says none."""
    rows = [_row(source) for source in card.get("ledger", [])]
    if not rows:
        return ""
    head = ["| made with | what | of it | licence | by way of |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def _row(source: dict[str, Any]) -> str:
    from utils.markdown import one_line

    extent = ""
    if "hours" in source:
        extent = f"{source['hours']:.2f} h, {source['utterances']} utterances, {source['speakers']} speakers"
    cells = (source["name"], source["kind"], extent, source["licence"], source.get("through", ""))
    return f"| {' | '.join(map(one_line, cells))} |"


def _sounds(out: Path) -> str:
    """The samples that lie beside the page."""
    return "\n".join(f"- [{path.stem}](samples/{path.name})" for path in sorted((out / "samples").glob("*")))


def _terms(card: dict[str, Any]) -> str:
    """What the licences of the sources ask for; "" where they ask for nothing that is known here."""
    from models.base.ledger import restrictions, told
    from utils.licences import is_told, shared_alike
    from utils.markdown import one_line

    sources = card.get("ledger", [])
    asked = {
        "No use for money, because of": restrictions(sources),
        "What is made of these comes under the same licence as they:": [told(source) for source in sources if shared_alike(source["licence"])],
        "Their licences are not known to the program, look before you publish:": [told(s) for s in sources if not is_told(s["licence"])],
    }
    return "\n".join(f"- {words} {one_line('; '.join(names))}." for words, names in asked.items() if names)


def push(folder: Path, hub: str) -> str:
    """Uploads a release, its page headed by the lines that a hub finds models by; its address there. Raises ValueError as `upload` does."""
    import yaml

    from models.base.card import read_card
    from utils.hub import upload

    lines = yaml.safe_dump(_hub_lines(read_card(folder)), sort_keys=False)
    page = (folder / "README.md").read_text(encoding="utf-8")
    return upload(folder, hub, page=f"---\n{lines}---\n\n{page}")


def _hub_lines(card: dict[str, Any]) -> dict[str, Any]:
    from models import MODELS
    from utils.licences import hub_name

    task = MODELS[card["model_type"]].task.rpartition(":")[2]
    languages = {language.split("-")[0] for source in card.get("ledger", []) for language in source.get("languages", [])}
    lines = {
        "library_name": "amphion",
        "pipeline_tag": PIPELINES.get(task, "audio-to-audio"),
        "license": hub_name(card["about"]["license"]),
        "language": sorted(languages) if task == "TTS" else [],
        "tags": [card["model_type"].lower()],
    }
    return {key: value for key, value in lines.items() if value}


def _needs(card: dict[str, Any]) -> str:
    """A paragraph on the models that this one uses as they are; "" where there are none."""
    from utils.markdown import one_line

    lines = []
    for name, record in card.get("frozen", {}).items():
        words = [one_line(str(word)) for word in (record["model_type"], name, record["path"], record["digest"])]
        lines.append("- its {1}, a {0} called {2}, with weights of the digest {3}".format(*words))
    if not lines:
        return ""
    introduction = "It uses other trained models, which are looked for in the folder `frozen` within it, under the names below, and beside it:"
    return "\n".join([introduction, "", *lines, "", ""])


if __name__ == "__main__":
    run(main)
