"""Small trees like those of the singing corpora: each gives what must be found, id -> (speaker, text), and the ids that are left out."""

import json

from tests.conftest import clip
from utils.audio import Audio

RATE = 16000


def sound(path, seconds=0.3, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    return Audio(clip(seconds, 150, len(path.name))[: round(seconds * RATE)], rate).write(path)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def m4singer(root):
    for name in ("Alto-1#美错/0000", "Bass-1##U7f8e#U9519/0001", "Alto-1#Let it go/0000", "Alto-1#Let it go/0007"):
        sound(root / f"{name}.wav")
    item = {"phs": ["<SP>", "m", "ei"], "ph_dur": [0.1, 0.1, 0.1], "notes": [0, 60, 60], "notes_dur": [0.1, 0.2, 0.2], "is_slur": [0, 0, 0]}
    words = {"Alto-1#美错#0000": "美", "Bass-1#美错#0001": "错", "Alto-1#Let it go#0000": "随它吧", "Alto-1#美错#0009": "无"}
    write(root / "meta.json", json.dumps([item | {"item_name": name, "txt": text} for name, text in words.items()]))
    good = {"Alto-1_美错_0000": ("Alto-1", "美"), "Bass-1_美错_0001": ("Bass-1", "错"), "Alto-1_Let_it_go_0000": ("Alto-1", "随它吧")}
    return good, {"Alto-1_美错_0009", "Alto-1_Let_it_go_0007"}


def opencpop(root):
    rest = "|g an SP|G4 G4 rest|0.2 0.2 0.1|0.1 0.1 0.1|0 0 0\n"
    lines = {f"{song}00000{k}": f"{song}00000{k}|感{rest}" for song in (2001, 2009) for k in (1, 2)}
    for name in lines:
        sound(root / f"segments/wavs/{name}.wav")
    lines["2001000009"] = f"2001000009|无{rest}"
    sound(root / "segments/wavs/2044001526.wav")
    write(root / "segments/transcriptions.txt", "".join(lines.values()))
    write(root / "segments/test.txt", lines["2009000001"] + lines["2009000002"])
    good = dict.fromkeys(("2001000001", "2001000002", "2009000001", "2009000002"), ("opencpop", "感"))
    return good, {"2001000009", "2044001526"}


def opensinger(root):
    for name in ("ManRaw/0_光年_之外/0_光年_之外_0", "WomanRaw/0_光年_之外/0_光年_之外_3", "WomanRaw/12_Hello/12_Hello_1"):
        sound(root / f"{name}.wav")
        write(root / f"{name}.txt", "感受\n")
    write(root / "WomanRaw/12_Hello/12_Hello_2.txt", "没有")
    good = {"man_0_光年_之外_0": "man_0", "woman_0_光年_之外_3": "woman_0", "woman_12_Hello_1": "woman_12"}
    return {name: (speaker, "感受") for name, speaker in good.items()}, {"WomanRaw_12_Hello_12_Hello_2"}


def svcc(root):
    for name in ("IDF1/10001", "CDM1/10001", "evaluation/SM1/30001", "ground_truth/IDF1/30001"):
        sound(root / f"Data/{name}.wav")
        write(root / f"Data/{name}.txt", "let it be")
    sound(root / "Data/IDF1/10002.wav")
    good = {"IDF1_10001": "IDF1", "CDM1_10001": "CDM1", "evaluation_SM1_30001": "SM1", "ground_truth_IDF1_30001": "IDF1"}
    return {name: (speaker, "let it be") for name, speaker in good.items()}, {"IDF1_10002"}


def csd(root):
    notes = "start,end,pitch,syllable\n0.10,0.20,60,t_w_i_ng\n0.20,0.30,60,k_ah_l\n0.60,0.80,67,s_t_aa_r\n"
    for name in ("en001a", "en001b", "en002a"):
        sound(root / f"CSD/english/wav/{name}.wav", 1.0)
        write(root / f"CSD/english/csv/{name}.csv", notes)
        write(root / f"CSD/english/txt/{name}.txt", "t_w_i_ng k_ah_l\n\ns_t_aa_r\n")
        write(root / f"CSD/english/lyric/{name}.txt", "Twinkle\n\nstar\n")
    write(root / "CSD/english/txt/en002a.txt", "t_w_i_ng\n\ns_t_aa_r\n")  # a syllable is lacking
    good = {f"en001{key}_000{line}": ("csd", word) for key in "ab" for line, word in ((0, "Twinkle"), (1, "star"))}
    return good, {"en002a"}


def kising(root):
    for name in ("clean/421/0001", "clean/422/0001", "segmented-wav/clean/423_all", "elsewhere/0001"):
        sound(root / f"{name}.wav")
    return dict.fromkeys(("421_0001", "422_0001", "423_all"), ("kising", "")), {"elsewhere_0001"}


def nus48e(root):
    for name in ("ADIZ/sing/01", "ADIZ/read/01", "JLEE/sing/05"):
        sound(root / f"nus-smc-corpus_48/{name}.wav")
        write(root / f"nus-smc-corpus_48/{name}.txt", "0.00 0.30 sil\n")
    return {"ADIZ_sing_01": ("ADIZ", ""), "ADIZ_read_01": ("ADIZ", ""), "JLEE_sing_05": ("JLEE", "")}, set()


def opera(root):
    good = {}
    for style, singer in (("chinese", "fem_01"), ("western", "fem_01"), ("western", "male_02")):
        sound(root / f"monophonic/{style}/{singer}/neg_1.wav")
        good[f"{style}_{singer}_neg_1"] = (f"{style}_{singer}", "")
    sound(root / "polyphonic/western/fem_01/neg_1.wav")
    return good, {"polyphonic_western_fem_01_neg_1"}


def pjs(root):
    for name in ("pjs001/pjs001_song", "pjs001/pjs001_speech", "pjs050/pjs050_song", "background_noise/noise"):
        sound(root / f"PJS_corpus_ver1.1/{name}.wav")
    write(root / "PJS_corpus_ver1.1/pjs001/pjs001.txt", "あらゆる")
    write(root / "PJS_corpus_ver1.1/pjs050/pjs050.txt", "げんじつを")
    write(root / "PJS_corpus_ver1.1/pjs051/pjs051.txt", "だれもいない")
    good = {"pjs001_song": ("pjs", "あらゆる"), "pjs001_speech": ("pjs", "あらゆる"), "pjs050_song": ("pjs", "げんじつを")}
    return good, {"PJS_corpus_ver1.1_background_noise_noise", "PJS_corpus_ver1.1_pjs051_pjs051"}


def popbutfy(root):
    good = {}
    items = {"Female1#singing#Hello_Amateur": "hello", "Female1#singing#Hello_Professional": "hello", "Male2#speaking#Words": "感受"}
    for item, text in items.items():
        for number in (0, 1):
            sound(root / f"data/{item}/{item}_{number}.mp3")
            write(root / f"text_labels/{item}/{item}_{number}.txt", text)
            good[f"{item}_{number}".replace("#", "_")] = (item.partition("#")[0], text)
    write(root / "text_labels/Male2#speaking#Words/Male2#speaking#Words_7.txt", "hello")
    return good, {"text_labels_Male2_speaking_Words_Male2_speaking_Words_7"}


def popcs(root):
    for name in ("popcs-隐形的翅膀/0000", "popcs-隐形的翅膀/0001", "popcs-听/0000"):
        sound(root / f"popcs/{name}_wf0.wav")
        write(root / f"popcs/{name}_ph.txt", "m ei")
        write(root / f"popcs/{name}.txt", "每一次")
    write(root / "popcs/popcs-听/0009.txt", "没有")
    good = dict.fromkeys(("隐形的翅膀_0000", "隐形的翅膀_0001", "听_0000"), ("popcs", "每一次"))
    return good, {"popcs_popcs-听_0009"}


def gtsinger(root):
    groups = ("Control_Group", "Breathy_Group", "Paired_Speech_Group")
    words = {"English/EN-Alto-1": ["<AP>", "all", "is", "_NONE", "found"], "Chinese/ZH-Tenor-1": ["感", "<SP>", "受"]}
    spoken = {"English/EN-Alto-1": "all is found", "Chinese/ZH-Tenor-1": "感受"}
    good = {}
    for singer, said in words.items():
        for group in groups:
            path = root / f"GTSinger/{singer}/Breathy/a song/{group}/0000"
            sound(path.with_suffix(".wav"))
            rows = [{"word": word, "start_time": 0.0, "end_time": 0.1, "note": [60], "breathe": 0} for word in said]
            write(path.with_suffix(".json"), json.dumps(rows))
            name = singer.partition("/")[2]
            good[f"{name}_Breathy_a_song_{group}_0000"] = (name, spoken[singer])
    sound(root / "GTSinger/English/EN-Alto-1/Breathy/a song/Control_Group/0001.wav")
    return good, {"EN-Alto-1_Breathy_a_song_Control_Group_0001"}


def vocalset(root):
    for name in ("female1/arpeggios/belt/f1_arpeggios_belt_c_a", "male2/long_tones/vibrato/m2_long_vibrato_a"):
        sound(root / f"data_by_singer/{name}.wav")
    sound(root / "data_by_vowel/a/f1_arpeggios_belt_c_a.wav")
    good = {"female1_arpeggios_belt_f1_arpeggios_belt_c_a": ("female1", ""), "male2_long_tones_vibrato_m2_long_vibrato_a": ("male2", "")}
    return good, {"data_by_vowel_a_f1_arpeggios_belt_c_a"}


SUNG = {
    "m4singer": m4singer, "opencpop": opencpop, "opensinger": opensinger, "svcc": svcc, "csd": csd, "kising": kising, "nus48e": nus48e,
    "opera": opera, "pjs": pjs, "popbutfy": popbutfy, "popcs": popcs, "gtsinger": gtsinger, "vocalset": vocalset,
}  # fmt: skip
