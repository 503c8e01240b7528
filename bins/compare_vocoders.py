"""A fair comparison: several vocoder recipes on one corpus, mel, batch and number of steps, and a table of what came out.

    python -m bins.compare_vocoders hifigan melgan vocos --set dataset_path.ljspeech=/path/to/LJSpeech-1.1
    python -m bins.compare_vocoders hifigan melgan vocos --stage table              (only the table, of what there is)

A recipe is a folder's name under egs/vocoder, a folder, or a config. config/vocoder_comparison.json lies over each; stages and
stopping are those of bins.recipe. The merged configs, the runs and README.md with the table lie in the comparison's log_dir.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bins.cli import parser, run
from utils.files import ROOT

SHARED = "config/vocoder_comparison.json"


def main(argv: list[str] | None = None) -> int:
    made = parser(__doc__, config=False)
    made.add_argument("recipes", nargs="+", metavar="RECIPE", help="the recipes to compare")
    made.add_argument("--shared", default=SHARED, help=f"what all share (default {SHARED})")
    made.add_argument("--stage", default="1-4", help='as for bins.recipe, or "table"')
    made.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="change one shared setting; may be repeated")
    made.add_argument("--gpu", help='the GPUs to use, such as "0"')
    options = made.parse_args(argv)
    configs = {name: merged(path, options.shared, options.set) for name, path in map(found, options.recipes)}
    folder = Path(next(iter(configs.values()))["log_dir"])
    if options.stage != "table":
        _run(configs, folder, options)
    text = table([(name, folder / name) for name in configs]) + "\n"
    (folder / "README.md").parent.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def found(recipe: str) -> tuple[str, Path]:
    """The name and the config of a recipe. Raises ValueError with the choices."""
    from utils.registry import nearest

    path = Path(recipe)
    if path.is_file():
        return (path.parent.name if path.stem == "exp_config" else f"{path.parent.name}-{path.stem}"), path
    if (path / "exp_config.json").is_file():
        return path.name, path / "exp_config.json"
    known = {p.parent.name: p for p in (ROOT / "egs/vocoder").rglob("exp_config.json")}
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


def _run(configs: dict[str, dict[str, Any]], folder: Path, options: Any) -> None:
    from bins import recipe
    from utils.files import write_json

    for name, config in configs.items():
        path = write_json(folder / name / "config.json", config)
        words = [str(path.parent), "--config", str(path), "--name", name, "--stage", options.stage]
        if recipe.main([*words, "--gpu", options.gpu] if options.gpu else words):
            raise ValueError(f"{name}: a stage failed, as said above; the same command goes on from there.")


def table(runs: list[tuple[str, Path]]) -> str:
    """A row for each run, with its parameters and steps, a column for each metric of their results; "-" is what there is not yet.

    A metric's mean stands with half its 95 % interval where it has one. Raises ValueError when no run has a result.
    """
    from utils.files import read_json

    results = {name: read_json(path) for name, run in runs if (path := run / "result/result.json").is_file()}
    if not results:
        raise ValueError(f"no result of {', '.join(name for name, _ in runs)} yet: run the stages up to evaluate first.")
    metrics = {m: row for result in results.values() for m, row in result["metrics"].items()}
    arrows = {m: "higher" if row["higher_is_better"] else "lower" for m, row in metrics.items()}
    heads = [f"{m} ({row['unit']}, {arrows[m]})" if row["unit"] else f"{m} ({arrows[m]})" for m, row in metrics.items()]
    lines = [["vocoder", "parameters", "steps", *heads], ["---", "---:", "---:", *["---:"] * len(heads)]]
    for name, folder in runs:
        cells = [_cell(results[name]["metrics"].get(m)) if name in results else "-" for m in metrics]
        lines.append([name, *_size(folder), *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None or row["mean"] is None:
        return "-"
    low_high = row.get("interval")
    return f"{row['mean']:.4g}" + (f" ± {(low_high[1] - low_high[0]) / 2:.2g}" if low_high else "")


def _size(folder: Path) -> tuple[str, str]:
    """Parameters and steps, from the card of the newest checkpoint."""
    from models.base.checkpoint import Checkpoints
    from utils.files import read_json

    newest = Checkpoints(folder).newest()
    if newest is None:
        return "-", "-"
    card = read_json(newest / "card.json")
    return f"{card.get('parameters', 0) / 1e6:.2f} M", f"{card.get('step', 0):,}"


if __name__ == "__main__":
    run(main)
