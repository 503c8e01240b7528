"""Small trees like those of the singing corpora: each gives what must be found, id -> (speaker, text), and the ids that are left out."""

import json

import soundfile

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


def mls(root):
    german = root / "mls_german"
    for part, name in (("train", "1/9/1_9_000001"), ("train", "1/9/1_9_000002"), ("dev", "2/8/2_8_000001"), ("test", "3/7/3_7_000001")):
        sound(german / part / f"audio/{name}.flac")
    write(german / "train/transcripts.txt", "1_9_000001\tso ging's weiter\n1_9_000009\tniemand sprach\n")
    for part, name in (("dev", "2_8_000001"), ("test", "3_7_000001")):
        write(german / part / "transcripts.txt", f"{name}\tguten-tag\n")
    write(german / "train/limited_supervision/1hr/0/handles.txt", "1_9_000001\n")
    write(german / "train/limited_supervision/9hr/handles.txt", "1_9_000002\n")
    opus = root / "mls_polish_opus/train/audio/4/6/4_6_000001.opus"
    opus.parent.mkdir(parents=True)
    soundfile.write(opus, clip(0.3, 150, 3), RATE, format="OGG", subtype="OPUS")
    write(root / "mls_polish_opus/train/transcripts.txt", "4_6_000001\tdzień dobry\n")
    good = {"1_9_000001": ("1", "so ging's weiter"), "2_8_000001": ("2", "guten-tag"), "3_7_000001": ("3", "guten-tag")}
    return good | {"4_6_000001": ("4", "dzień dobry")}, {"1_9_000002", "1_9_000009"}


def librilight(root):
    path = root / "small/100/sea_fairies/01_baum_64kb"
    tone = Audio(clip(44.0, 150, 3), RATE)
    path.parent.mkdir(parents=True, exist_ok=True)
    tone.write(path.with_suffix(".flac"))
    spoken = [[1.0, 9.0], [9.2, 15.0], [22.0, 30.0], [30.5, 33.0]]
    write(path.with_suffix(".json"), json.dumps({"speaker": "100", "snr": float("nan"), "voice_activity": spoken}))
    sound(root / "small/200/a_book/01_x.flac")
    sound(root / "300/123/01_y_0000.flac")
    sound(root / "small/readme.flac")
    good = {f"100_sea_fairies_01_baum_64kb_000{k}": "100" for k in (0, 1)}
    good |= {"200_a_book_01_x": "200", "300_123_01_y_0000": "300"}
    return {name: (speaker, "") for name, speaker in good.items()}, {"small_readme"}


def emilia(root):
    def line(name, **others):
        row = {"id": name, "text": " Hello there.", "duration": 0.3, "speaker": name[:15], "language": "en", "dnsmos": 3.2}
        return row | others

    listed = []
    for number in (0, 1, 2):
        name = f"EN_B00000_S00000_W00000{number}"
        wav = f"EN_B00000/EN_B00000_S00000/mp3/{name}.mp3"
        listed.append(json.dumps(line(name, wav=wav)))
        if number < 2:
            sound(root / "EN" / wav)
    write(root / "EN/EN_B00000.jsonl", "\n".join([*listed, "{ this is no line"]) + "\n")
    german = {"language": "de", "text": " Guten Tag."}
    for name, others in (("DE_B00001_S00002_W000003", german), ("DE_B00001_S00002_W000004", {"dnsmos": "good"})):
        sound(root / f"DE/DE-B000001/{name}.mp3")
        write(root / f"DE/DE-B000001/{name}.json", json.dumps(line(name, **others)))
    sound(root / "EN/EN_B00000/EN_B00000_S00000/mp3/EN_B00000_S00000_W000009.mp3")
    good = {f"EN_B00000_S00000_W00000{k}": ("EN_B00000_S0000", "Hello there.") for k in (0, 1)}
    good["DE_B00001_S00002_W000003"] = ("DE_B00001_S0000", "Guten Tag.")
    missing = {"EN_B00000_S00000_W000002", "EN_B00000.jsonl:4", "DE_B00001_S00002_W000004", "EN_B00000_S00000_W000009"}
    return good, missing


def audiocaps(root):
    rows = [
        ("103", "4bUL_ttiOdw", "30", "Rain falls, and a bell rings"), ("104", "-0Gj8-vB1q4", "0", "A dog barks"),
        ("105", "-0Gj8-vB1q4", "60", "A man speaks"), ("106", "AAAAAAAAAA_", "5", "Nobody has this"), ("107", "#NAME?", "0", "Lost"),
    ]  # fmt: skip
    quoted = "".join(f'{number},{video},{start},"{caption}"\r\n' for number, video, start, caption in rows)
    write(root / "dataset/train.csv", f"audiocap_id,youtube_id,start_time,caption\r\n{quoted}8\r\n")
    captions = [f"{number},BBBBBBBBBBB,20,Caption {number % 3}\n" for number in (7, 8, 9, 10)]
    other = ",".join(("11", "CCCCCCCCCCC", "1", "A cat meows"))
    write(root / "dataset/test.csv", "".join(["audiocap_id,youtube_id,start_time,caption\n", captions[0], f"{other}\n", *captions[1:]]))
    for name in ("train/4bUL_ttiOdw_30000_40000.wav", "train/Y-0Gj8-vB1q4_0.flac", "-0Gj8-vB1q4_60_70.wav", "test/YBBBBBBBBBBB.wav"):
        sound(root / "sounds" / name)
    sound(root / "sounds/test/11.wav")
    sound(root / "sounds/train/-0Gj8-vB1q4.wav")
    good = {"train_Y4bUL_ttiOdw_30": "Rain falls, and a bell rings", "train_Y-0Gj8-vB1q4_0": "A dog barks"}
    good |= {"train_Y-0Gj8-vB1q4_60": "A man speaks", "test_YCCCCCCCCCCC_1": "A cat meows"}
    good |= {f"test_YBBBBBBBBBBB_20.{number}": f"Caption {number % 3}" for number in (1, 2, 3)}
    return said(good), {"train_YAAAAAAAAAA__5", "107", "train.csv:7", "-0Gj8-vB1q4"}


def clotho(root):
    columns = ",".join(f"caption_{number}" for number in range(1, 6))
    five = ",".join(f"Sound {number}" for number in range(1, 6))
    development = f'file_name,{columns}\n"rain, wind  #1.wav",{five}\n" rain (wind) 1 .wav",A,A,A,A,A\ngone.wav,{five}\n'
    write(root / "clotho_csv_files/clotho_captions_development.csv", development)
    write(root / "clotho_csv_files/clotho_captions_evaluation.csv", f"file_name,{columns}\nrain.v2.wav,B,B,B,B,B\nrain.wav,C,C,C,C,C\n")
    for name in ("development/rain, wind  #1", "development/ rain (wind) 1 ", "evaluation/rain.v2", "evaluation/rain", "development/rain"):
        sound(root / f"{name}.wav")
    good = {f"train_rain_wind_1-{MARKS[0]}.{number}": f"Sound {number}" for number in range(1, 6)}
    good |= {f"train_rain_wind_1-{MARKS[1]}": "A", "test_rain.v2": "B", "test_rain": "C"}
    return said(good), {"train_gone", "rain"}


def wavcaps(root):
    listed = {
        "AudioSet_SL/as_final": [{"id": "Yb0RFKhbpFJA.wav", "caption": "Wind blows.", "duration": 10.0}],
        "FreeSound/fsd_final": [
            {"id": "64", "caption": "Keys jingle.", "duration": 2.5, "tags": ["keys"]}, {"id": "65", "caption": "A day.", "duration": 9999.0},
            {"id": "66", "caption": "Not there.", "duration": 1.0},
        ],
        "SoundBible/sb_final": [{"id": 64, "caption": "A bell rings.", "title": "Bell"}],
    }  # fmt: skip
    for name, data in listed.items():
        write(root / f"json_files/{name}.json", json.dumps({"num_captions_per_audio": 1, "data": data}))
    write(root / "json_files/blacklist/blacklist_exclude_all_ac.json", json.dumps({"AudioSet": ["Yb0RFKhbpFJA.wav"], "FreeSound": ["64"]}))
    for name in ("AudioSet_SL_flac/Yb0RFKhbpFJA", "Zip_files/FreeSound/64", "Zip_files/FreeSound/65", "SoundBible/64"):
        sound(root / f"{name}.flac")
    good = {"AudioSet_SL_Yb0RFKhbpFJA": "Wind blows.", "FreeSound_64": "Keys jingle.", "SoundBible_64": "A bell rings."}
    return said(good), {"FreeSound_65", "FreeSound_66"}


def fsd50k(root):
    dev = 'fname,labels,mids,split\n1,"Electric_guitar,Guitar,Music","/m/1,/m/2",train\n2,Rain,/m/3,val\n3,Rain,/m/3,train\n'
    write(root / "FSD50K.ground_truth/dev.csv", dev)
    write(root / "FSD50K.ground_truth/eval.csv", "fname,labels,mids\n4,Bark,/m/4\n")
    write(root / "FSD50K.metadata/dev_clips_info_FSD50K.json", json.dumps({"1": {"title": "solo.wav", "description": "A solo.\nMine."}}))
    for name in ("dev_audio/1", "dev_audio/2", "eval_audio/4", "dev_audio/9"):
        sound(root / f"FSD50K.{name}.wav")
    return said({"train_1": "electric guitar, guitar, music", "valid_2": "rain", "test_4": "bark"}), {"train_3", "9"}


def musiccaps(root):
    header = "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption,author_id,is_balanced_subset,is_audioset_eval\r\n"
    rows = [
        '-0Gj8-vB1q4,30,40,"/m/1,/m/2","[\'slow\', \'bass\']","A slow,\r\nlow ""tune"".",4,False,True\r\n',
        "0H0cbR31I4s,0,10,/m/1,['loud'],Drums.,4,False,False\r\n", "gone0000000,0,10,/m/1,['loud'],Gone.,4,False,False\r\n",
    ]  # fmt: skip
    write(root / "musiccaps-public.csv", "".join([header, *rows]))
    sound(root / "clips/[-0Gj8-vB1q4]-[30-40].wav")
    sound(root / "clips/0H0cbR31I4s.wav")
    return said({"test_Y-0Gj8-vB1q4_30": 'A slow, low "tune".', "valid_Y0H0cbR31I4s_0": "Drums."}), {"train_Ygone0000000_0"}


def picoaudio(root):
    timed = "cat meowing at 0.0-0.1, 0.15-0.2 and whistling at 0.1-0.25"
    often = "cat meowing two times and whistling one times"
    items = [{"filepath": f"data/multi_event_train/syn_{k}.wav", "onoffCaption": timed, "frequencyCaption": often} for k in (1, 2)]
    odd = items[0] | {"filepath": "data/multi_event_train/syn_3.wav", "onoffCaption": "cat meowing twice"}
    write(root / "meta_data/train.json", "\n".join(json.dumps(item) for item in [*items, odd]))
    write(root / "meta_data/test-onoff.json", json.dumps([items[0] | {"filepath": "data/test/syn_1.wav"}]))
    write(root / "meta_data/test-frequency-control_onoffFromGpt_1.json", json.dumps(odd))
    for name in ("multi_event_train/syn_1", "multi_event_train/syn_3", "test/syn_1", "test/syn_9"):
        sound(root / f"{name}.wav")
    good = {}
    for name in ("train_multi_event_train_syn_1", "test_test_syn_1"):
        good |= {f"{name}.1": timed, f"{name}.2": often}
    return said(good), {"train_multi_event_train_syn_2", "train_multi_event_train_syn_3", "syn_9"}


def esc50(root):
    lines = ["1-100032-A-0.wav,1,0,dog,True,100032,A", "1-7-A-10.wav,1,10,rain,True,7,A", "5-9-B-39.wav,5,39,glass_breaking,False,9,B"]
    lines += ["2-8-A-1.wav,2,1,rooster,True,8,A", "2-6-A-60.wav,2,60,whale,False,6,A", "cut,short"]
    write(root / "meta/esc50.csv", "\n".join(["filename,fold,target,category,esc10,src_file,take", *lines]))
    for name in ("1-100032-A-0", "1-7-A-10", "5-9-B-39", "2-6-A-60", "3-1-A-0"):
        sound(root / f"audio/{name}.wav")
    good = {}
    for name, captions in ESC50.items():
        good |= {f"{name}.{number}": caption for number, caption in enumerate(captions, 1)}
    return said(good), {"2-8-A-1", "2-6-A-60", "esc50.csv:7", "3-1-A-0"}


def said(captions):
    """Nobody speaks in a sound that has a caption."""
    return {name: ("", caption) for name, caption in captions.items()}


MARKS = ("49a88bfd", "c54450c8")  # of two names that differ in blanks and marks alone
ESC50 = {
    "1-100032-A-0": ["a dog barks", "a dog is barking", "the sound of a dog barking", "barking, a dog"],
    "1-7-A-10": ["rain falls", "rain is falling", "the sound of rain falling", "falling, rain"],
    "5-9-B-39": ["glass breaks", "glass is breaking", "the sound of glass breaking", "breaking, glass"],
}
CAPTIONED = {
    "audiocaps": audiocaps, "clotho": clotho, "wavcaps": wavcaps, "fsd50k": fsd50k, "musiccaps": musiccaps, "picoaudio": picoaudio,
    "esc50": esc50,
}  # fmt: skip
READ = {"mls": mls, "librilight": librilight, "emilia": emilia}
SUNG = {
    "m4singer": m4singer, "opencpop": opencpop, "opensinger": opensinger, "svcc": svcc, "csd": csd, "kising": kising, "nus48e": nus48e,
    "opera": opera, "pjs": pjs, "popbutfy": popbutfy, "popcs": popcs, "gtsinger": gtsinger, "vocalset": vocalset,
}  # fmt: skip
