"""A card as it goes to others: names instead of where things lay on this disk, and nothing of a training that goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from utils.files import ROOT

CAME_ALONG = "pretrained"


def published(card: dict[str, Any]) -> dict[str, Any]:
    """The card of a release, from that of a checkpoint."""
    public = {key: value for key, value in card.items() if key != "progress"}
    public["preprocess"] = _networks_named(card["preprocess"])
    if "train" in card:
        public["train"] = _without_places(card["train"])
    if "vocoder" in card:
        public["vocoder"] = name_of(card["vocoder"])
    if "frozen" in card:
        public["frozen"] = {name: record | {"path": name_of(record["path"])} for name, record in card["frozen"].items()}
    return public


def _networks_named(preprocess: dict[str, Any]) -> dict[str, Any]:
    """The section with the networks of its features by name; they are known again by the digests that the features learnt."""
    features = dict(preprocess["features"])
    for feature, section in features.items():
        if section.get("model"):
            name = name_of(section["model"])
            features[feature] = section | {"model": name}
    return preprocess | {"features": features}


def _without_places(train: dict[str, Any]) -> dict[str, Any]:
    """A section `train`, or one of its stages."""
    public = dict(train)
    if "init_from" in train:
        public["init_from"] = _named(train["init_from"])
    if "stages" in train:
        public["stages"] = {name: _without_places(stage) for name, stage in train["stages"].items()}
    return public


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _named(inner) for key, inner in value.items()}
    return name_of(value) if isinstance(value, str) else value


def name_of(path: str) -> str:
    """What to call what lies at `path`: of a checkpoint its run's name, of what came along its path in the clone, of another folder its
    own; a hub id stays as it is."""
    place = Path(path).expanduser()
    if not place.exists():
        return path
    inside = place.resolve()
    if inside.is_relative_to(ROOT / CAME_ALONG):
        return inside.relative_to(ROOT).as_posix()
    is_checkpoint = place.parent.name == "checkpoint" and place.name.startswith("step-")
    return place.parent.parent.name if is_checkpoint else place.name
