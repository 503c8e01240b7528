"""Where weights come from: the corpora and the other weights that they were made with, and under which licences those stand.

A card keeps the list, `ledger`; a release may not allow what one of its sources forbids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import NotRequired, TypedDict

from models.base.published import name_of
from preprocessors.base import corpora, corpus
from utils import hub, pretrained
from utils.licences import UNTOLD, restricted

if TYPE_CHECKING:
    from models.base.experiment import Experiment
    from processors.manifest import Manifest

OF_A_SOUND = (("seconds", "max"), ("id", "count"))  # columns and how they are brought together
OF_A_CORPUS = (("seconds_max", "sum"), ("id_count", "sum"), ("speaker", "count_distinct"), ("language", "distinct"))


class Source(TypedDict):
    """A corpus or other weights. `through`: the weights by way of which it came in. A corpus says how much of it was trained on."""

    kind: str  # "corpus" or "weights"
    name: str
    licence: str
    through: NotRequired[str]
    utterances: NotRequired[int]
    hours: NotRequired[float]
    speakers: NotRequired[int]
    languages: NotRequired[list[str]]


def ledger(experiment: Experiment) -> list[Source]:
    """All that the weights of an experiment are made with: what they train on, then what they and their features begin with."""
    training = experiment.utterances("train")
    sources = corpora_of(training, experiment.sections.dataset_licence)
    for name, card in _weights(experiment):
        sources += [source for source in of_weights(name, card) if source not in sources]
    return sources


def corpora_of(training: Manifest, licences: Mapping[str, str]) -> list[Source]:
    """Each corpus of what trains, with how much it is; `licences` are what the user says of them, by name.

    A sound with several captions is one; changed copies count for nothing.
    """
    sounds = _sounds(training).group_by(["dataset", "sound", "speaker", "language"])
    lengths = sounds.aggregate(OF_A_SOUND)
    totals = lengths.group_by("dataset").aggregate(OF_A_CORPUS)
    rows = totals.sort_by("dataset").to_pylist()
    known = corpora()
    return [_corpus(row, licences) for row in rows if row["dataset"] in known]


def _sounds(training: Manifest) -> pa.Table:
    """Its utterances with the name of the sound that each is a caption of."""
    names = ("dataset", "id", "recording", "seconds", "speaker", "language")
    columns = {name: training.column(name) for name in names}
    alone = pc.equal(columns["recording"], "")
    columns["sound"] = pc.if_else(alone, columns["id"], columns["recording"])
    return pa.table(columns)


def _corpus(row: Mapping[str, Any], licences: Mapping[str, str]) -> Source:
    name = row["dataset"]
    return {
        "kind": "corpus",
        "name": name,
        "licence": licences.get(name) or corpus(name).LICENCE,
        "utterances": row["id_count_sum"],
        "hours": round(row["seconds_max_sum"] / 3600, 3),
        "speakers": row["speaker_count_distinct"],
        "languages": sorted(row["language_distinct"]),
    }


def _weights(experiment: Experiment) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, card) of the other weights that an experiment uses: frozen ones, those of its features, and those that it begins with."""
    for other in experiment.frozen.values():
        yield name_of(other.path), other.card
    for feature in experiment.features.features.values():
        source = getattr(feature, "source", None)
        if isinstance(source, pretrained.Source):
            place = pretrained.locate(source, feature.model)
            kept = place and (hub.is_here(place) or hub.fetched_before(place, "card.json"))
            yield name_of(place or source.name), _card_at(kept)
    train = experiment.sections.train
    for section in (train, *train.get("stages", {}).values()):
        begun = section.get("init_from") or {}
        origins = begun.values() if isinstance(begun, dict) else [begun]
        for origin in origins:
            place = origin["path"] if isinstance(origin, dict) else origin
            yield name_of(place), _card_at(place)


def _card_at(place: str | Path | None) -> dict[str, Any]:
    """The card of the weights at a place, {} of other people's, whose licence stands on their page alone."""
    from models.base.card import read_card
    from models.base.loading import resolve

    if not place:
        return {}
    try:
        return read_card(resolve(place))  # a hub id is fetched, as the training that begins with it would do
    except ValueError:
        return {}


def of_weights(name: str, card: Mapping[str, Any]) -> list[Source]:
    """Weights by their name and card, and what the card says that they were made with."""
    own: Source = {"kind": "weights", "name": name, "licence": card.get("about", {}).get("license", UNTOLD)}
    return [own, *({"through": name, **source} for source in card.get("ledger", []))]


def restrictions(sources: Iterable[Source]) -> list[str]:
    """Those that keep what is made of them from being used for money, as "m4singer (CC BY-NC-SA 4.0)"."""
    return [told(source) for source in sources if restricted(source["licence"])]


def told(source: Source) -> str:
    """A source in a few words: "m4singer (CC BY-NC-SA 4.0, by way of hifigan_singing)"."""
    way = source.get("through")
    return f"{source['name']} ({source['licence']}" + (f", by way of {way})" if way else ")")
