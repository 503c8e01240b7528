"""VocalSet: twenty singers, scales, arpeggios, long tones and songs in seventeen techniques; 10 hours, 44.1 kHz.

https://zenodo.org/records/1193957

    <root>/
      FULL/female1/arpeggios/belt/f1_arpeggios_belt_c_a.wav          singer, what is sung, technique; the vowel ends the name
    or
      data_by_singer/female1/arpeggios/belt/f1_arpeggios_belt_c_a.wav

It has no texts. The other folders (by technique, by vowel) hold the same recordings, and are not read.
"""

from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance
from preprocessors.layout import Tree

LICENCE = "CC BY 4.0"
TREE = Tree(
    r"(?:FULL|data_by_singer)/(?P<own>(?P<singer>(?:fe)?male\d+)/.+)",
    "{FULL,data_by_singer}/<singer>/<what>/<technique>/<name>.wav",
    identity=lambda match: match["own"],
)
orphans = TREE.orphans


def utterances(root: Path) -> Iterator[Utterance]:
    """Every recording."""
    for match, song in TREE.songs(root):
        yield Utterance(speaker=match["singer"], **song)
