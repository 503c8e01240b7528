"""A checkpoint becomes a release: weights, card, a README under the eight headings of a model card, and samples.

    python -m bins.release --checkpoint ckpts/tts/ex1 --out pretrained/fastspeech2_ljspeech --about about.json

about.json gives what no program can know: {"name": ..., "description": ..., "datasets": ..., "license": ..., "ethics": ..., "demo": ...}
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


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__, config=False)
    arguments.add_argument("--checkpoint", required=True, help="a run or one of its checkpoints")
    arguments.add_argument("--which", choices=("newest", "best"), default="newest", help="which checkpoint of a run")
    arguments.add_argument("--out", required=True, help="the release's folder")
    arguments.add_argument("--about", required=True, help="a JSON file with " + ", ".join(ABOUT))
    arguments.add_argument("--result", help="result.json of the evaluate stage (default: the run's own)")
    arguments.add_argument("--half", action="store_true", help="store weights as float16: half the size")
    arguments.add_argument("--samples", type=int, default=3, help="sounds of the infer stage to add")
    options = arguments.parse_args(argv)
    from models.base.loading import resolve
    from utils.log import log

    folder = release(resolve(options.checkpoint, which=options.which), Path(options.out), options)
    log.info(f"released in {folder}: {sum(p.stat().st_size for p in folder.rglob('*') if p.is_file()) / 1e6:.1f} MB")
    return 0


def release(checkpoint: Path, out: Path, options: Any) -> Path:
    """Writes the release. Raises ValueError listing every heading that would stay empty."""
    from evaluation.result import read_result
    from evaluation.shapes import TableFile
    from models.base.checkpoint import read_release, save_release
    from models.base.published import published
    from utils.files import read_json, write_whole

    about = read_json(Path(options.about), dict[str, Any])
    missing = [f"{key} ({meaning})" for key, meaning in ABOUT.items() if not isinstance(about.get(key), str) or not about[key].strip()]
    result_folder = checkpoint.parent.parent / "result"
    result_path = Path(options.result) if options.result else result_folder / "result.json"
    if not result_path.is_file():
        missing.append(f"results: no {result_path}; run the infer and evaluate stages first, or give --result")
    if missing:
        raise ValueError("a release needs a whole card; still empty:\n  " + "\n  ".join(missing))
    result = read_result(result_path, TableFile)
    card, weights = read_release(checkpoint)
    card = published(card)
    if options.half:
        weights = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    save_release(out, {**card, "about": about}, weights)
    for path in sorted((result_folder / "generated").glob("*.wav"))[: options.samples]:
        (out / "samples").mkdir(exist_ok=True)
        shutil.copy(path, out / "samples" / path.name)
    readme = model_card(card, about, result, out)
    write_whole(out / "README.md", lambda p: p.write_text(readme, encoding="utf-8"))
    return out


def model_card(card: dict[str, Any], about: dict[str, str], result: dict[str, Any], out: Path) -> str:
    """The README: metadata, datasets, training, results, usage, demo, licence, ethics."""
    import json

    from evaluation.result import markdown
    from models import MODELS
    from utils.markdown import one_line, paragraphs
    from utils.registry import load_object

    said = {key: paragraphs(about[key]) for key in ABOUT}
    versions = {key: one_line(str(value)) for key, value in card.get("versions", {}).items()}
    train = json.dumps(card.get("train", {}), indent=2)
    call = load_object(MODELS[card["model_type"]].task).called_with
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

{said["datasets"]}

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

load("{out}")({call}).write("out.wav")
```

{_needs(card)}To fine-tune: `--set train.init_from={out}` on the train stage of its recipe.

## Demo

{said["demo"]}

## Licence

{said["license"]}

## Ethics

{said["ethics"]}
"""


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
