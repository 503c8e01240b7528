"""Singing Voice Audio Dataset (SVAD): opera in Chinese and western style, unaccompanied.

https://isophonics.org/SingingVoiceDataset

    <root>/
      monophonic/chinese/fem_01/neg_1.wav      singer; feeling (neg or pos) and number
      monophonic/western/male_02/pos_3.wav

Whole arias without texts: `preprocess.slice` cuts them. Singers are counted anew in each style: the voices are "chinese_fem_01" and
"western_fem_01".
"""

from collections.abc import Iterator
from pathlib import Path

from preprocessors.base import Utterance
from preprocessors.layout import Tree

LICENCE = "research only"
TREE = Tree(
    r"monophonic/(?P<style>chinese|western)/(?P<singer>(?:fem|male)_\d+)/(?P<own>(?:neg|pos)_\d+)",
    "monophonic/{chinese,western}/<fem or male>_<number>/<neg or pos>_<number>.wav",
    identity=lambda match: f"{match['style']}_{match['singer']}_{match['own']}",
)
orphans = TREE.orphans


def utterances(root: Path) -> Iterator[Utterance]:
    """Every recording."""
    for match, song in TREE.songs(root):
        singer = f"{match['style']}_{match['singer']}"
        yield Utterance(speaker=singer, **song)
