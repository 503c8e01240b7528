"""Chinese becomes pinyin: initials, and finals with their tone, as in "zh ong1 _ g uo2 .".

jieba cuts words, pypinyin reads them (a word has one reading where its characters have several), and the tones of 一, 不
and of third tones within a word move as they do in speech. Words in Latin letters are English, in ARPAbet (HH AH0 L OW1):
capitals, so that no phone of one language is taken for one of the other. Words are known in simplified characters;
traditional ones are read one by one.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from processors.g2p import BOUNDARY, MARKS, clean, read_lexicon, spell, tidy
from processors.lexicon.published import FINALS, INITIALS
from processors.rules import any_of

HAN = r"[\u3400-\u9fff\uf900-\ufaff\u3007\U00020000-\U0003ffff]"
LATIN = r"[A-Za-zÀ-ÖØ-öø-ÿ]"
PIECE = re.compile(rf"(?P<han>{HAN}+)|(?P<latin>{LATIN}+(?:'{LATIN}+)*)|(?P<mark>[{re.escape(''.join(sorted(MARKS)))}])")
INITIAL = re.compile(f"(?:{any_of(INITIALS)})?")
TONED = frozenset(final + tone for final in FINALS for tone in "12345")
IN_FULL = {"iu": "iou", "ui": "uei", "un": "uen", "ue": "ve"}
NUMERALS = "零〇一二三四五六七八九十"
BEFORE_FIRST = frozenset(NUMERALS + "点第期周拜初统唯万单专")  # behind these 一 is a number or "first"
# Interjections that are written without a vowel, and the nearest sound that has one.
HUMMED = {"n": "en", "ng": "en", "m": "mu", "hm": "heng", "hng": "heng", "ê": "ei"}
# One character, several readings: its part of speech (jieba's tags) tells them apart.
TAGGED = {
    ("地", "uv"): "de5", ("得", "ud"): "de5", ("着", "uz"): "zhe5", ("长", "a"): "chang2", ("只", "d"): "zhi3", ("为", "v"): "wei2",
    ("种", "v"): "zhong4", ("数", "v"): "shu3", ("教", "v"): "jiao1",
}  # fmt: skip
# Words that end without a tone though the dictionary gives them one, and characters that do when said twice (妈妈).
NEUTRAL = frozenset(re.findall(
    r"\S+", "朋友 东西 先生 时候 知道 喜欢 漂亮 衣服 认识 告诉 事情 头发 眼睛 耳朵 月亮 晚上 早上 消息 明白 清楚 "
    "舒服 聪明 学生 大夫 师傅 丈夫 名字 故事 地方 关系 客气 麻烦 热闹 干净 休息 商量 打听 葡萄 豆腐 点心 味道 "
    "厉害 规矩 脾气 力气 运气 福气 算盘 窗户 扫帚 棉花 庄稼 嘴巴 指甲 "
    "胳膊 招呼 吩咐 答应 巴掌 云彩 稀罕 行李 笑话 阔气 生意 买卖 姑娘 媳妇 亲戚 部分 咳嗽 护士",
))  # fmt: skip
DOUBLED = frozenset("妈爸哥姐弟妹爷奶叔舅姑伯公婆娃星宝太谢")
CHILD = frozenset("女男婴幼孤少胎健育孩宠血患孙侄妻生娇弃产新小")  # before 儿 these make "child", a syllable of its own


@dataclass
class Word:
    """A word with a syllable ("hao3") for each character; one that the lexicon has brings its phones instead."""

    text: str
    syllables: list[str]
    phones: list[str]


def pinyin(text: str, *, path: str | None = None) -> list[str]:
    """Phones of Chinese text with "_" between words and marks as tokens; `path`: a lexicon of words read otherwise.

    Raises ValueError for an empty text, letters that are neither Chinese nor Latin, and a missing package, named.
    """
    packages()
    from processors.chinese_numbers import normalise, unify

    written = normalise(clean(unify(text), "cmn"))
    foreign = sorted(filter(str.isalpha, set(PIECE.sub("", written))))
    if foreign:
        raise ValueError(f"{', '.join(map(repr, foreign))} is neither Chinese nor in Latin letters: write it so, or leave it out.")
    entries = read_lexicon(path) if path else {}
    tokens: list[str] = []
    for match in PIECE.finditer(written):
        piece = match[0]
        if match["mark"]:
            tokens.append(piece)
        elif match["latin"]:
            tokens += entries.get(piece.lower()) or english(piece)
            tokens.append(BOUNDARY)
        else:
            tokens += spoken(words_of(piece, path))
    return tidy(tokens)


def packages() -> None:
    """Raises ValueError when the packages for Chinese are missing, with the command that brings them."""
    try:
        with warnings.catch_warnings():  # jieba is old: its import warns of what newer Pythons dislike
            warnings.simplefilter("ignore")
            import cn2an  # noqa: F401
            import jieba.posseg  # noqa: F401
            import pypinyin  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f'phone.g2p "pinyin" needs the packages pypinyin, cn2an and jieba ({error.name} is missing): pip install -e ".[chinese]"'
        ) from error


def english(word: str) -> list[str]:
    """A word or an acronym in Latin letters in ARPAbet, with stress, by espeak."""
    try:
        return spell(word, stress=True)
    except ImportError as error:
        raise ValueError(
            f"the English word {word!r} is spoken by espeak ({error.name} is missing): "
            'pip install -e ".[tts]", or give it a line in phone.lexicon.'
        ) from error


@cache
def _tagger(path: str | None) -> Any:
    """jieba with the words of the lexicon `path`. Its own cache, a file in the shared temporary folder, is not used."""
    import jieba.posseg

    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    for word in read_lexicon(path) if path else ():
        if re.fullmatch(f"{HAN}+", word):
            tokenizer.add_word(word)
    return jieba.posseg.POSTokenizer(tokenizer)


def words_of(text: str, path: str | None = None) -> list[Word]:
    """The words of a run of Chinese characters with the tones of speech. Raises ValueError for a character without a reading."""
    entries = read_lexicon(path) if path else {}
    words: list[Word] = []
    for tagged in _tagger(path).lcut(text):
        phones = entries.get(tagged.word, [])
        if tagged.flag == "ud" and words and words[-1].text == "长":
            words[-1].syllables = ["zhang3"]  # 长得高: to grow, not to be long
        syllables = [] if phones else _syllables(tagged.word, tagged.flag)
        words.append(Word(tagged.word, syllables, phones))
    for is_read, group in groupby(words, key=lambda word: not word.phones):
        if is_read:
            move_tones(list(group))
    return words


def _syllables(word: str, tag: str) -> list[str]:
    from pypinyin import Style, lazy_pinyin

    if (word, tag) in TAGGED:
        return [TAGGED[word, tag]]
    syllables = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True, errors=_refuse)
    is_double = len(word) == 2 and word[0] == word[1]
    is_double_verb = is_double and tag == "v"
    if word in NEUTRAL or is_double_verb or (is_double and word[0] in DOUBLED):
        syllables[-1] = _with_tone(syllables[-1], "5")
    if is_double_verb and syllables[0][-1] == "3":  # 想想: the lost third tone still moves the first
        syllables[0] = _with_tone(syllables[0], "2")
    return syllables


def _refuse(characters: str) -> list[str]:
    raise ValueError(f"{characters!r} has no reading that pypinyin knows: give it a line in phone.lexicon.")


def _with_tone(syllable: str, tone: str) -> str:
    return syllable[:-1] + tone


def move_tones(words: list[Word]) -> None:
    """The tones of 一 and 不 by what follows, across words; of two third tones in one word, the first becomes a second."""
    text = "".join(word.text for word in words)
    tones = [syllable[-1] for word in words for syllable in word.syllables]
    place = 0
    for word in words:
        for i in range(len(word.syllables)):
            before = text[max(0, place - 1) : place]
            after = text[place + 1 : place + 2]
            tone_after = tones[place + 1] if place + 1 < len(tones) else ""
            if text[place] == "不":
                _move_bu(word, i, tone_after)
            elif text[place] == "一":
                _move_yi(word, i, before, after, tone_after)
            place += 1
    for word in words:
        _move_third_tones(word)


def _move_bu(word: Word, i: int, tone_after: str) -> None:
    if word.syllables[i] in ("bu2", "bu4"):
        word.syllables[i] = "bu2" if tone_after == "4" else "bu4"


def _move_yi(word: Word, i: int, before: str, after: str, tone_after: str) -> None:
    ends_word = i > 0 and i == len(word.text) - 1 and before not in "这那每某另"
    tone = "1" if ends_word else _tone_of_one(before, after, tone_after)
    word.syllables[i] = f"yi{tone}"


def _move_third_tones(word: Word) -> None:
    for i, after in enumerate(word.syllables[1:]):
        if word.syllables[i][-1] == after[-1] == "3":
            word.syllables[i] = _with_tone(word.syllables[i], "2")


def _tone_of_one(before: str, after: str, tone_after: str) -> str:
    """一 keeps its first tone where it is a digit, an ordinal or a date; it is a fourth, or a second before a fourth, as "a"."""
    if not after or after in NUMERALS + "月号" or before in BEFORE_FIRST:
        return "1"
    if tone_after == "4" or (tone_after == "5" and after == "个"):
        return "2"
    return "4"


def spoken(words: list[Word]) -> list[str]:
    """The phones of words with "_" behind each; 儿 that only colours the syllable before it is the phone "rr"."""
    tokens: list[str] = []
    before = ""
    for word in words:
        if word.phones:
            tokens += word.phones
        elif not _is_coloured(word, before):
            tokens += _phones(word.syllables)
        else:
            if len(word.text) == 1:
                tokens.pop()  # "花" and "儿" cut apart are one syllable
            tokens += [*_phones(word.syllables[:-1]), "rr"]
        tokens.append(BOUNDARY)
        before = word.text
    return tokens


def _is_coloured(word: Word, before: str) -> bool:
    """Whether the word ends with a 儿 that is no syllable; `before` is the word before."""
    if word.text[-1] != "儿":
        return False
    bearer = before[-1:] if len(word.text) == 1 else word.text[-2]
    return bearer != "" and bearer not in CHILD


def _phones(syllables: list[str]) -> list[str]:
    return [phone for syllable in syllables for phone in parts(syllable)]


def parts(syllable: str) -> list[str]:
    """Initial and final of a syllable with its tone (5 is the neutral one): "zhuang1" -> ["zh", "uang1"], "ju4" -> ["j", "v4"].

    ü is v; the vowels of "zi" and "zhi" are ii and iii; iou, uei and uen are written in full. Raises ValueError for no pinyin.
    """
    body, tone = re.fullmatch(r"(.*?)(\d?)", syllable, re.DOTALL).groups()
    body = HUMMED.get(body, body).replace("ü", "v")
    initial = INITIAL.match(body)[0]
    final = body.removeprefix(initial)
    if initial in ("j", "q", "x", "y") and final[:1] == "u":
        final = "v" + final[1:]
    elif initial in ("zh", "ch", "sh", "r", "z", "c", "s") and final == "i":
        final = "ii" if initial in ("z", "c", "s") else "iii"
    else:
        final = IN_FULL.get(final, final)
    toned = final + (tone or "5")
    if toned not in TONED:
        raise ValueError(f"{syllable!r} is no syllable of pinyin.")
    return [initial, toned] if initial else [toned]
