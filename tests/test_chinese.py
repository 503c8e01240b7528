"""Chinese: numbers in words, words in pinyin, tones that move, English within, what is missing, and a corpus from text to sound."""

import builtins
import json
import time

import numpy as np
import pytest
import torch

pytest.importorskip("pypinyin")  # the extra "chinese"; env.sh installs it
pytest.importorskip("cn2an")
pytest.importorskip("jieba")

from models import load
from models.base.checkpoint import save_release
from models.base.experiment import build_model
from preprocessors.base import Utterance, prepare, read_manifest
from processors import chinese, g2p
from processors.chinese import parts, pinyin
from processors.chinese_numbers import normalise, unify
from processors.features import FeatureSet
from processors.lexicon import published
from processors.text import Phones
from tests.conftest import RATE, clip
from tests.test_models import card_of
from utils.audio import Audio

WRITTEN = [
    ("110和2000", "一百一十和两千"),
    ("1,234,567人", "一百二十三万四千五百六十七人"),
    ("3.14，.5，-5", "三点一四，零点五，负五"),
    ("20000和120000", "两万和十二万"),
    ("12345678901234567", "一二三四五六七八九零一二三四五六七"),
    ("007", "零零七"),
    ("2024年3月5日", "二零二四年三月五日"),
    ("2024-03-05，2024/3/5", "二零二四年三月五日，二零二四年三月五日"),
    ("1998-2003年，98年，20年，1000年", "一九九八到二零零三年，九八年，二十年，一千年"),
    ("8:05，8:00-10:30，2:00", "八点零五分，八点到十点三十分，两点"),
    ("50%，-3.5%，5%-10%", "百分之五十，负百分之三点五，百分之五到百分之十"),
    ("¥100，¥12.50，$3.5亿", "一百元，十二点五元，三点五亿美元"),
    ("13800138000", "幺三八,零零幺三,八零零零"),
    ("+86 138-0013-8000", "八六,幺三八,零零幺三,八零零零"),
    ("010-12345678", "零幺零,幺二三四五六七八"),
    ("拨打110", "拨打幺幺零"),
    ("3/4，3:2，3-5天", "四分之三，三比二，三到五天"),
    ("5km，60km/h，25°C，-5°C，60m2", "五公里，六十公里每小时，二十五摄氏度，零下五摄氏度，六十平方米"),
    ("2个，12个，第2个，2月2号", "两个，十二个，第二个，二月二号"),
    ("CA1234，MP3，5G，3.1.4", "CA一二三四，MP三，五G，三点一点四"),
    ("3+5=8，3×4", "三加五等于八，三乘四"),
    ("90后，00后，95后，60天后", "九零后，零零后，九五后，六十天后"),
    ("二○二四年，二○○八年，一○一", "二〇二四年，二〇〇八年，一〇一"),
    ("①②③，⑪⑫，①苹果", "一二三，十一,十二，一,苹果"),
    ("3²，5³，10⁶，x²，10^3", "三的平方，五的立方，十的六次方，x的平方，十的立方"),
    ("100m²，2km²，元/㎡", "一百平方米，两平方公里，元每平方米"),
    ("第Ⅱ章，第Ⅻ章，Ⅲ期，第IV卷", "第二章，第十二章，三期，第四卷"),
    ("5米/秒，100公里/小时，50kg/人，男/女", "五米每秒，一百公里每小时，五十公斤每人，男/女"),
    ("50-60%，-5~10°C，3月5日-8日，5-3=2", "百分之五十到六十，零下五到十摄氏度，三月五日到八日，五减三等于二"),
    ("$5M，$1.5B，10 000元，№5", "五百万美元，十五亿美元，一万元，第五"),
    ("12306，客服10086，QQ:12345，尾号1234", "幺二三零六，客服幺零零八六，QQ:幺二三四五，尾号幺二三四"),
    ("501室，1001路公交，911事件，211高校", "五零幺室，幺零零幺路公交，九一一事件，二幺幺高校"),
    ("2024-03，24/7，比分3-2，2½", "二零二四年三月，二十四七，比分三比二，二又二分之一"),
    ("±5，≥5，√2，+5，5>3", "正负五，大于等于五，根号二，正五，五大于三"),
    ("www.baidu.com，abc@qq.com，U.S.队", "www点baidu点com，abc艾特qq点com，US队"),
    ("3.14159265358979323846", "三点一四一五九二六五三五八九七九三二三八四六"),
]
SPOKEN = [
    ("银行，行走", "y in2 h ang2 , x ing2 z ou3"),
    ("重庆，重要", "ch ong2 q ing4 , zh ong4 y ao4"),
    ("长大，长短，很长，他长得高", "zh ang3 d a4 , ch ang2 d uan3 , h en3 _ ch ang2 , t a1 _ zh ang3 _ d e5 _ g ao1"),
    ("中国人民银行", "zh ong1 g uo2 r en2 m in2 y in2 h ang2"),
    ("慢慢地走，土地", "m an4 m an4 _ d e5 _ z ou3 , t u3 d i4"),
    ("睡着，看着我", "sh uei4 zh ao2 , k an4 zh e5 _ w o3"),
    ("你好，展览馆", "n i2 h ao3 , zh an2 l an2 g uan3"),
    ("不好，不去，不是", "b u4 h ao3 , b u2 _ q v4 , b u2 sh iii4"),
    ("一个，一天，一年，一起", "y i2 g e4 , y i4 t ian1 , y i4 n ian2 , y i4 q i3"),
    ("第一，一月一号，统一战线", "d i4 y i1 , y i1 y ve4 _ y i1 h ao4 , t ong3 y i1 zh an4 x ian4"),
    ("妈妈的朋友，我们看看", "m a1 m a5 _ d e5 _ p eng2 y ou5 , w o3 m en5 _ k an4 k an5"),
    ("花儿，一会儿，女儿，儿子", "h ua1 rr , y i2 h uei4 rr , n v3 er2 , er2 z ii5"),
    ("绿色，学习，下雨，战略，军队", "l v4 s e4 , x ve2 x i2 , x ia4 y v3 , zh an4 l ve4 , j vn1 d uei4"),
    ("私人知识，日子", "s ii1 r en2 _ zh iii1 sh iii2 , r iii4 z ii5"),
    ("嗯，〇", "en2 , l ing2"),
    ("我用iPhone听CCTV", "w o3 _ y ong4 _ AY1 F OW1 N _ t ing1 _ S IY2 S IY2 T IY2 V IY1"),
    ("《你好》……“世界”——再见！？", "n i2 h ao3 . sh iii4 j ie4 , z ai4 j ian4 ! ?"),
    ("（你）、我；他：好。", "n i3 , w o3 ; t a1 : h ao3 ."),
    ("ＯＫ１２", "OW2 K EY1 _ sh iii2 er4"),
    ("學習", "x ve2 x i2"),
]


@pytest.mark.parametrize(("written", "read"), WRITTEN)
def test_numbers(written, read):
    assert normalise(written).strip() == read


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("９０后，２５℃，１００％", "90后，25摄氏度，100%"), ("③", "三"), ("3²", "三的平方"), ("第Ⅱ章", "第二章"),
        ("二○二四年", "二〇二四年"), ("10^3", "十的立方"),
        ("5㎏，3㎡", "五公斤，三平方米"), ("2½", "二又二分之一"),
    ],
)  # fmt: skip
def test_signs_in_another_form_are_read_as_what_they_mean(text, same):
    assert pinyin(text) == pinyin(same)


PIECES = ["1", "1,", "1.", "1-", "1/", "- ", "一", "—", "①", "x²", "1 000 ", "$", "a.", "90后", "第V", "5米/", "% ", "  ", "1:"]


@pytest.mark.parametrize("piece", PIECES)
def test_time_grows_with_the_length_alone(piece):
    def seconds(count):
        begun = time.process_time()
        normalise(unify(piece * count))
        return time.process_time() - begun

    assert seconds(16000) < max(20 * min(seconds(2000), seconds(2000)), 0.3)


def test_the_tones_of_a_long_run_take_time_by_its_length():
    def seconds(count):
        words = [chinese.Word("一", ["yi1"], []) for _ in range(count)]
        begun = time.process_time()
        chinese.move_tones(words)
        return time.process_time() - begun

    assert seconds(160_000) < 20 * min(seconds(20_000), seconds(20_000))


def test_numbers_leave_no_digit_and_no_pinyin_outside_the_table():
    rng = np.random.default_rng(0)
    known = {*published.pinyin(), *published.arpabet(), *g2p.MARKS, g2p.BOUNDARY}
    symbols = list("0123456789.,-/:¥%°年月日号点个一不儿第 ，。ab")
    for _ in range(100):
        text = "好" + "".join(rng.choice(symbols, 16))
        assert not any(c.isdigit() for c in normalise(text)), text
        assert set(pinyin(text)) <= known, text


@pytest.mark.parametrize(("text", "phones"), SPOKEN)
def test_pinyin(text, phones):
    assert " ".join(pinyin(text)) == phones


def test_every_reading_of_every_character_has_its_parts():
    from pypinyin import Style
    from pypinyin import pinyin as readings
    from pypinyin.constants import PINYIN_DICT

    known = set(published.pinyin())
    for code in list(PINYIN_DICT)[::7]:
        for syllable in readings(chr(code), style=Style.TONE3, heteronym=True, neutral_tone_with_five=True)[0]:
            assert set(parts(syllable)) <= known, (chr(code), syllable)
    for wrong in ("xyz1", "zh3", "ma7"):
        with pytest.raises(ValueError, match="no syllable of pinyin"):
            parts(wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty"), (" \n", "the text is empty"), ("！？……", "nothing that can be spoken"), ("\U0001f600", "nothing that"),
        ("か你", "'か' is neither Chinese nor in Latin letters"), ("привет", "neither Chinese"),
    ],
)  # fmt: skip
def test_what_cannot_be_spoken_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        Phones(g2p="pinyin")(Utterance("a", text=text))


def test_a_lexicon_says_it_otherwise(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("朝阳 ch ao2 y ang2\nAmphion AE0 M F AY1 AH0 N\n", encoding="utf-8")
    assert " ".join(pinyin("不朝阳Amphion", path=str(path))) == "b u4 _ ch ao2 y ang2 _ AE0 M F AY1 AH0 N"
    assert " ".join(pinyin("朝阳")) == "zh ao1 y ang2"
    assert "AE0" in Phones(g2p="pinyin", lexicon=str(path))(Utterance("a", text="Amphion")).tolist()


@pytest.mark.parametrize("missing", ["jieba", "pypinyin", "cn2an"])
def test_without_the_extra_the_command_is_named(monkeypatch, tmp_path, missing):
    real = builtins.__import__

    def without(name, *rest, **named):
        if name.split(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    features = FeatureSet({"phone": {"g2p": "pinyin"}}, sample_rate=RATE, hop_size=256, store=tmp_path)
    for call in (lambda: pinyin("你好"), lambda: features.fit([Utterance("a", "zh", text="你好")], ["zh"], jobs=1)):
        with pytest.raises(ValueError, match=rf'{missing} is missing.*pip install -e "\.\[chinese\]"'):
            call()


def test_english_within_without_espeak_names_the_extra(monkeypatch):
    def gone(*_, **__):
        raise ModuleNotFoundError("No module named 'phonemizer'", name="phonemizer")

    monkeypatch.setattr(chinese, "spell", gone)
    with pytest.raises(ValueError, match=r"'hello'.*phonemizer is missing.*\[tts\]"):
        pinyin("你好hello")
    assert pinyin("你好") == ["n", "i2", "h", "ao3"]


def test_ming024s_chinese_symbols():
    feature = Phones(g2p="pinyin", symbols="ming024")
    tokens = feature(Utterance("a", text="你好，花儿。"))
    assert tokens.tolist() == ["@n", "@i2", "@h", "@ao3", "@sp", "@h", "@ua1", "@rr", "@sp"]
    assert feature.encode(tokens).max() < 360
    with pytest.raises(ValueError, match="made with espeak"):
        Phones(g2p="pinyin", symbols="vits")


@pytest.mark.parametrize(("language", "front"), [("zh", "pinyin"), ("en", "lexicon")])
def test_ming024s_folder_says_its_language(tmp_path, monkeypatch, language, front):
    from models.upstream import ming024

    monkeypatch.setattr("models.upstream.fastspeech2_maps.from_ming024", lambda config, state: ({}, {}, state))
    mel = {"n_mel_channels": 80, "mel_fmin": 0, "mel_fmax": 8000}
    sound = {"stft": {"filter_length": 1024, "win_length": 1024, "hop_length": 256}, "mel": mel, "audio": {"sampling_rate": 22050}}
    (tmp_path / "preprocess.yaml").write_text(json.dumps({"preprocessing": {"text": {"language": language}, **sound}}))
    (tmp_path / "model.yaml").write_text("{}")
    torch.save({"model": {"a": torch.zeros(1)}}, tmp_path / "600000.pth.tar")
    card, _ = ming024.read(tmp_path, tmp_path / "preprocess.yaml", None)
    assert card["preprocess"]["features"]["phone"] == {"g2p": front, "symbols": "ming024"}


# A corpus, and a model of it

TEXTS = ["你好世界", "我在银行工作", "今天天气很好", "他用3个苹果", "一起去学习吧", "重庆很重要"]


def spoken(folder):
    """A folder of your own recordings, a text beside each."""
    for i, text in enumerate(TEXTS[:3]):
        Audio(clip(0.9, 130 + 10 * i, i), RATE).write(folder / f"ann/clip{i}.wav")
        (folder / f"ann/clip{i}.txt").write_text(text, encoding="utf-8")
    return folder


def test_custom_recordings_from_text_to_durations(tmp_path, monkeypatch):
    monkeypatch.setattr("processors.aligner.PLAN", (("soft", 2), ("best", 1)))  # buzzing tones: there is nothing more to learn
    prepare("custom", spoken(tmp_path / "raw"), tmp_path / "data", needs_text=True, jobs=1)
    rows = [u for split in ("train", "valid", "test") for u in read_manifest(tmp_path / f"data/custom/{split}.jsonl")]
    assert sorted(u.text for u in rows) == sorted(TEXTS[:3])
    settings = {"phone": {"g2p": "pinyin"}, "duration": {}, "mel": {"n_fft": 512, "win_size": 512, "n_mel": 20}}
    features = FeatureSet(settings, sample_rate=RATE, hop_size=256, store=tmp_path / "data")
    features.fit(rows, ["custom"], jobs=1)
    assert {"<pad>", "sil", "n", "i2", "ang2"} <= set(features.features["phone"].table)
    for row in rows:
        arrays = features(row)
        assert len(arrays["duration"]) == len(arrays["phone"]) and arrays["duration"].sum() == len(arrays["mel"])
    with pytest.raises(ValueError, match="The model never saw 'a4', 'd', 'iang4'"):
        features(Utterance("b", text="大象"), ["phone"])


def test_a_small_model_speaks_chinese(tmp_path):
    phone = {"g2p": "pinyin", "blanks": True}
    features = FeatureSet({"phone": phone}, sample_rate=RATE, hop_size=256, store=tmp_path)
    features.fit([Utterance(f"u{i}", "zh", text=text) for i, text in enumerate(TEXTS)], ["zh"], jobs=1)
    card = card_of("VITS")
    card["preprocess"]["features"]["phone"] = phone
    card["learned"] = json.loads(json.dumps(features.learned(["zh"])))
    card["facts"]["n_vocab"] = len(card["learned"]["phone"]["symbols"])
    save_release(tmp_path / "release", card, build_model(card).state_dict())
    task = load(tmp_path / "release", device="cpu")
    audio = task("今天去银行", speaker="ann", seed=1)
    assert len(audio.samples) and np.isfinite(audio.samples).all() and audio.rate == task.rate
    with pytest.raises(ValueError, match="never saw"):
        task("女人", speaker="ann")


# Other languages through espeak


@pytest.mark.parametrize(
    ("language", "text", "phones"),
    [
        ("de", "Schöne Füße", "ʃ øː n ə _ f yː s ə"), ("fr", "bonjour", "b ɔ̃ ʒ u ʁ"), ("es", "¿Qué tal?", "k e _ t a l ?"),
        ("ja", "こんにちは。", "k o̞ n n i tɕ i h ä ."), ("zh", "你好，是。", "n i2 χ ɑu2 , s\u0323 i\u03235 ."),
    ],
)  # fmt: skip
def test_espeak_in_other_languages(language, text, phones):
    assert " ".join(g2p.espeak(text, language)) == phones


def test_a_language_nobody_speaks_names_the_nearest(tmp_path):
    with pytest.raises(ValueError, match="unknown language 'german', did you mean '.*Choices: .*de, .*en-us"):
        g2p.espeak("hallo", "german")
    with pytest.raises(ValueError, match="espeak reads no kanji"):
        g2p.espeak("世界", "ja")
    features = FeatureSet({"phone": {"language": "enus"}}, sample_rate=RATE, hop_size=256, store=tmp_path)
    with pytest.raises(ValueError, match="none of 1 utterances.*unknown language 'enus', did you mean 'en-us'"):
        features.fit([Utterance("a", "demo", text="hello")], ["demo"], jobs=1)


@pytest.mark.parametrize(("setting", "corpus"), [({"language": "de"}, "en-us"), ({}, "de")])
def test_a_model_speaks_the_language_it_learnt(tmp_path, setting, corpus):
    features = FeatureSet({"phone": setting}, sample_rate=RATE, hop_size=256, store=tmp_path)
    utterances = [Utterance(f"u{i}", "own", text="fünf schöne Füße", language=corpus) for i in range(2)]
    features.fit(utterances, ["own"], jobs=1)
    restored = FeatureSet({"phone": setting}, sample_rate=RATE, hop_size=256)
    restored.restore(features.learned(["own"]))
    tokens = restored.raw(Utterance("-", text="fünf"), ["phone"])
    assert tokens["phone"].tolist() == ["sil", "f", "ʏ", "n", "f", "sil"]


def test_a_setting_not_made_leaves_kept_arrays_where_they_are():
    plain = FeatureSet({"phone": {}}, sample_rate=RATE, hop_size=256).digests["phone"]
    assert plain == FeatureSet({"phone": {"language": ""}}, sample_rate=RATE, hop_size=256).digests["phone"] == "e6b5fe7b"
    assert plain != FeatureSet({"phone": {"language": "de"}}, sample_rate=RATE, hop_size=256).digests["phone"]
