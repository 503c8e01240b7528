"""A fair comparison: several vocoder recipes on one corpus, mel, batch and number of steps, and a table of what came out.

    python -m bins.compare_vocoders hifigan melgan vocos --set dataset_path.ljspeech=/path/to/LJSpeech-1.1
    python -m bins.compare_vocoders hifigan melgan vocos --points 1000,10000,100000 ...      (a row for each point of training)
    python -m bins.compare_vocoders hifigan melgan vocos --stage table              (only the table, of what there is)

A recipe is a folder's name under egs/vocoder, a folder, or a config. config/vocoder_comparison.json lies over each; stages and
stopping are those of bins.recipe. The merged configs, the runs and README.md with the table lie in the comparison's log_dir.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bins.cli import parser, run
from utils.files import ROOT

SHARED = "config/vocoder_comparison.json"


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__, config=False)
    arguments.add_argument("recipes", nargs="+", metavar="RECIPE", help="the recipes to compare")
    arguments.add_argument("--shared", default=SHARED, help=f"what all share (default {SHARED})")
    arguments.add_argument("--stage", default="1-4", help='as for bins.recipe, or "table"')
    arguments.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="change one shared setting; may be repeated")
    arguments.add_argument("--points", help="steps of training to compare at, such as 1000,10000; the last is where training ends")
    arguments.add_argument("--limit", type=int, help="at most so many utterances of the test split")
    arguments.add_argument("--gpu", help='the GPUs to use, such as "0"')
    options = arguments.parse_args(argv)
    points = points_of(options.points)
    sets = options.set + (_kept_at(points) if points else [])
    recipes = dict(map(recipe_of, options.recipes))
    configs = {name: merged(path, options.shared, sets) for name, path in recipes.items()}
    folder = Path(next(iter(configs.values()))["log_dir"])
    if options.stage != "table":
        _run(configs, folder, points, options)
    text = table([(name, folder / name) for name in configs], points) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def points_of(text: str | None) -> list[int]:
    """The steps of "1000,10000". Raises ValueError for what is no step."""
    words = [word.strip() for word in text.split(",")] if text else []
    if not all(word.isdecimal() and int(word) for word in words):
        raise ValueError(f"--points {text}: give steps above 0 with commas between, such as 1000,10000.")
    return [int(word) for word in words]


def _kept_at(points: list[int]) -> list[str]:
    """Settings under which a run ends at the last point and keeps a checkpoint at each."""
    every = math.gcd(*points)
    last = max(points)
    return [f"train.max_steps={last}", f"train.save_every={every}", f"train.keep_last={last // every}"]


def recipe_of(recipe: str) -> tuple[str, Path]:
    """The name and the config of a recipe. Raises ValueError with the choices."""
    from utils.registry import nearest

    path = Path(recipe)
    if path.is_file():
        folder = path.parent.name
        return folder if path.stem == "exp_config" else f"{folder}-{path.stem}", path
    if (path / "exp_config.json").is_file():
        return path.name, path / "exp_config.json"
    configs = (ROOT / "egs/vocoder").rglob("exp_config.json")
    known = {config.parent.name: config for config in configs}
    if recipe not in known:
        raise ValueError(nearest(recipe, known, "recipe"))
    return recipe, known[recipe]


def merged(path: Path, shared: str, overrides: list[str]) -> dict[str, Any]:
    """A recipe's config under what all share. Raises ConfigError listing every problem."""
    from models.base.experiment import problems_of
    from utils.config import ConfigError, load_config, merge

    over = load_config(shared, overrides)
    own = load_config(path)
    config = merge(own, over)
    problems = [*own.problems, *over.problems, *problems_of(config)]
    if problems:
        raise ConfigError(problems, f"{path} under {shared}")
    return config


def _run(configs: dict[str, dict[str, Any]], folder: Path, points: list[int], options: Any) -> None:
    from bins import recipe
    from utils.files import write_json

    stages = recipe.stages(options.stage)
    for name, config in configs.items():
        run_folder = folder / name
        path = write_json(run_folder / "config.json", config)
        words = [str(run_folder), "--config", str(path), "--name", name]
        if options.gpu:
            words += ["--gpu", options.gpu]
        for stage in stages:
            if recipe.STAGES[stage] < 3:
                _stage(stage, words)
        for point in points or [None]:
            if "infer" in stages:
                _stage("infer", [*words, *_inference(run_folder, point, options.limit)])
            if "evaluate" in stages:
                _stage("evaluate", [*words, *_evaluation(run_folder, point)])


def _inference(run_folder: Path, point: int | None, limit: int | None) -> list[str]:
    from models.base.checkpoint import step_name

    words = ["--out", str(_result(run_folder, point))]
    if point:
        words += ["--checkpoint", str(run_folder / "checkpoint" / step_name(point))]
    if limit:
        words += ["--limit", str(limit)]
    return words


def _evaluation(run_folder: Path, point: int | None) -> list[str]:
    result = _result(run_folder, point)
    places = {
        "--reference": result / "reference",
        "--generated": result / "generated",
        "--out": result / "result.json",
    }
    words = []
    for option, place in places.items():
        words += [option, str(place)]
    return words


def _stage(stage: str, words: list[str]) -> None:
    from bins import recipe

    if recipe.main([*words, "--stage", stage]):
        raise ValueError(f"{words[0]}: the stage {stage} failed, as said above; the same command goes on from there.")


def _result(run: Path, point: int | None) -> Path:
    return run / ("result" if point is None else f"result-{point}")


def table(runs: list[tuple[str, Path]], points: Sequence[int] = ()) -> str:
    """A row for each run (and point of its training), with its parameters and steps, a column for each metric of their results.

    "-" is what there is not yet. A metric's mean stands with half its 95 % interval where it has one. Raises ValueError when no
    run has a result.
    """
    points = points or (None,)
    rows = [(name, run, point) for name, run in runs for point in points]
    results = [_metrics(run, point) for _, run, point in rows]
    metrics = {}
    for result in results:
        metrics |= result
    if not metrics:
        names = ", ".join(name for name, _ in runs)
        raise ValueError(f"no result of {names} yet: run the stages up to evaluate first.")
    heads = [_head(metric, row) for metric, row in metrics.items()]
    rule = ["---:"] * len(heads)
    lines = [
        ["vocoder", "parameters", "steps", *heads],
        ["---", "---:", "---:", *rule],
    ]
    for (name, folder, point), result in zip(rows, results, strict=True):
        cells = [_cell(result.get(metric)) for metric in metrics]
        size = _size(folder, point)
        lines.append([name, *size, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _metrics(run: Path, point: int | None) -> dict[str, Any]:
    """{metric: row} of a run's result; empty where there is none yet."""
    from evaluation.result import read_result
    from evaluation.shapes import Means

    path = _result(run, point) / "result.json"
    return read_result(path, Means)["metrics"] if path.is_file() else {}


def _head(metric: str, row: dict[str, Any]) -> str:
    better = "higher" if row["higher_is_better"] else "lower"
    about = [row["unit"], better] if row["unit"] else [better]
    return f"{metric} ({', '.join(about)})"


def _cell(row: dict[str, Any] | None) -> str:
    if row is None or row["mean"] is None:
        return "-"
    mean = f"{row['mean']:.4g}"
    if not row.get("interval"):
        return mean
    low, high = row["interval"]
    return f"{mean} ± {(high - low) / 2:.2g}"


def _size(run: Path, point: int | None) -> tuple[str, str]:
    """Parameters and steps, from the card of the point's checkpoint, or of the newest."""
    from models.base.card import CARD
    from models.base.checkpoint import Checkpoints, step_name
    from utils.files import check_shape, read_json

    checkpoints = Checkpoints(run)
    folder = checkpoints.newest() if point is None else checkpoints.folder / step_name(point)
    if folder is None or not (folder / "card.json").is_file():
        return "-", "-"
    path = folder / "card.json"
    card = read_json(path, dict[str, Any])
    for name in {"parameters", "step"} & card.keys():
        check_shape(card[name], CARD[name], f"{path}, {name},")
    return f"{card.get('parameters', 0) / 1e6:.2f} M", f"{card.get('step', 0):,}"


if __name__ == "__main__":
    run(main)
