"""Systems against one reference: the statistics, the tables, the page as text, and the page in a browser."""

import html
import itertools
import json
import re

import numpy as np
import pytest
import scipy.stats

from bins.compare import main
from evaluation.compare import bootstrap_p, compare, holm, resampled, systems_of, wilcoxon_p
from tests.browser import CHROMIUM, DRIVER, Browser
from tests.conftest import RATE, clip
from utils.audio import Audio
from utils.files import read_json, write_json
from visualization.comparison_page import worst_of, write_page
from visualization.comparison_tables import escaped, latex, markdown
from visualization.distributions import distributions, ticks
from visualization.embed import as_json, picture_uri, sound_uri, spectrogram

NASTY = 'a<img src=x onerror=window.hurt=1>&amp;"\'`<b>'  # the name of a file, which must not become markup
browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver in the path")


def result(values, *, counts=None, over="", higher=True, failed=0, **settings):
    """A result as Result.save writes it; values: {metric: {id: value}}."""
    rows = {}
    for name, found in values.items():
        row = {"std": None, "n": len(found), "interval": None, "failed": failed}
        row["mean"] = float(np.mean(list(found.values()))) if found else None
        row |= {"unit": "dB", "higher_is_better": higher, "definition": "correct"}
        if counts and name in counts:
            row |= {"pooled": True, "n": len(counts[name])}
        if over:
            row |= {"over": over, "mean": 1.5, "interval": [1.0, 2.0], "n": 3}
        rows[name] = row
    measured = {name: {"rates": {}, "options": {}} for name in values}
    return {
        "metrics": rows,
        "values": values,
        "counts": counts or {},
        "failed": {},
        "missing": {},
        "settings": {"reference": "ref", "generated": "", "metrics": measured, **settings},
    }


def compared(values, *, test="wilcoxon", family="table", **how):
    """The comparison of {system: {id: value}} by one metric, "snr"."""
    results = {system: result({"snr": found}, **how) for system, found in values.items()}
    return compare(results, test=test, family=family)


def fractions(values):
    """(1, utterances, 2): the values over 1, as `resampled` takes them."""
    return np.stack([values, np.ones(len(values))], axis=1)[None]


def scores(n=30, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    base = np.random.default_rng(99).normal(3, 1, n)
    return {f"u{i:02d}": float(value) for i, value in enumerate(base + shift + rng.normal(0, 0.1, n))}


# --- statistics


def test_signed_ranks_are_scipys_and_nothing_to_rank_is_one():
    a, b = (np.array(list(scores(seed=seed, shift=0.02 * seed).values())) for seed in (1, 2))
    assert wilcoxon_p(a - b) == scipy.stats.wilcoxon(a, b).pvalue
    assert wilcoxon_p(np.array([1.0, 2, 3, 4, 5, 6])) == pytest.approx(2 / 2**6)  # all of one sign: exact
    assert wilcoxon_p(np.zeros(9)) == 1.0


def test_redrawing_comes_to_the_whole_list_of_draws():
    a = np.array([1.0, 2.5, 4.0, 3.0])
    b = np.array([0.5, 2.6, 2.0, 3.3])
    differences = a - b
    seen = differences.mean()
    draws = itertools.product(differences, repeat=4)
    means = np.array([np.mean(values) for values in draws])
    farther = np.abs(means - seen) >= abs(seen) - 1e-12
    both = np.concatenate([fractions(a), fractions(b)])
    of_a, of_b = resampled(both, 40000)
    drawn = of_a - of_b
    assert bootstrap_p(drawn, seen) == pytest.approx(farther.mean(), abs=0.01)
    edges = [2.5, 97.5]
    exact = np.percentile(means, edges)
    assert np.percentile(drawn, edges) == pytest.approx(exact, abs=0.05)


def test_the_interval_of_a_mean_is_the_normal_one_for_many():
    values = np.random.default_rng(3).normal(0, 1, 400)
    drawn = resampled(fractions(values), 10000)[0]
    half = 1.96 * values.std() / np.sqrt(400)
    assert np.percentile(drawn, [2.5, 97.5]) == pytest.approx([values.mean() - half, values.mean() + half], abs=0.006)


def test_the_bootstrap_raises_no_more_false_alarms_than_it_says():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        differences = rng.normal(0, 1, 40)
        seed = int(rng.integers(1 << 30))
        drawn = resampled(fractions(differences), 400, seed=seed)[0]
        alarms += bootstrap_p(drawn, differences.mean()) < 0.05
    assert 6 <= alarms <= 40  # 20 expected; a little more, since it is narrow for few


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == []


@pytest.mark.parametrize("test", ["wilcoxon", "bootstrap"])
def test_the_same_system_twice_differs_by_nothing(test):
    found = compared({"a": scores(), "b": scores()}, test=test)
    row = found.pairs[0]
    assert row["p"] == 1.0
    assert row["p_holm"] == 1.0
    assert row["difference"] == 0.0
    assert row["interval"] == pytest.approx([0, 0], abs=1e-12)
    assert found.metrics["snr"]["best"] == ["a", "b"]
    assert not found.worse("snr", "a")
    assert not found.worse("snr", "b")


@pytest.mark.parametrize("test", ["wilcoxon", "bootstrap"])
@pytest.mark.parametrize("higher", [True, False])
def test_a_shift_is_found_and_its_direction_is_the_metrics(test, higher):
    values = {
        "low": scores(seed=1),
        "high": scores(seed=2, shift=0.5),
        "top": scores(seed=3, shift=0.51),
    }
    found = compared(values, higher=higher, test=test)
    best = "top" if higher else "low"
    worst = "low" if higher else "top"
    assert found.metrics["snr"]["best"] == [best]
    assert found.worse("snr", worst)
    assert not found.worse("snr", best)
    assert found.worse("snr", "high") is (not higher)  # 0.01 from the top is chance, 0.5 from the low one is not
    row = found.pairs[0]
    assert (row["a"], row["b"]) == ("low", "high")
    low, high = row["interval"]
    assert low <= row["difference"] <= high < 0
    assert row["p"] <= row["p_holm"] < 0.001


def test_ranks_that_contradict_the_means_mark_nobody():
    a = {f"u{i:02d}": 1.0 + 0.01 * i for i in range(30)}
    b = {name: value + 0.1 for name, value in a.items()}
    b["u00"] = -40.0  # better on all but one, which makes its mean the worse
    found = compared({"a": a, "b": b})
    row = found.pairs[0]
    assert found.metrics["snr"]["best"] == ["a"]
    assert row["difference"] > 0
    assert row["p"] < 1e-3
    assert row["contrary"]
    assert not found.worse("snr", "b")
    assert "wilcoxon, ranks the other way" in markdown(found)


def test_pooled_scores_are_ratios_of_sums_and_always_redrawn():
    rng = np.random.default_rng(0)
    words = [5, 10, 20, 40] * 10
    counts = {}
    results = {}
    for system, rate in {"a": 0.1, "b": 0.3}.items():
        counts[system] = {}
        values = {}
        for i, count in enumerate(words):
            wrong = int(rng.binomial(count, rate))
            counts[system][f"u{i}"] = [wrong, count, {}]
            values[f"u{i}"] = wrong / count
        results[system] = result({"wer": values}, counts={"wer": counts[system]}, higher=False)
    found = compare(results)
    wrong = sum(errors for errors, _, _ in counts["a"].values())
    mean = found.metrics["wer"]["systems"]["a"]["mean"]
    assert mean == pytest.approx(wrong / sum(words))
    assert found.pairs[0]["test"] == "bootstrap"
    assert found.pairs[0]["p"] < 0.001
    assert found.worse("wer", "b")


def test_a_distance_of_folders_is_shown_and_not_tested():
    found = compare({name: result({"fad": {}}, over="folders") for name in "ab"})
    assert found.pairs == [] and found.metrics["fad"]["systems"]["a"]["mean"] == 1.5
    assert "**1.500** [1.000, 2.000]" in markdown(found) and "not tested: fad" in markdown(found) and "p (Holm)" not in markdown(found)


def test_means_are_over_what_all_share():
    a = scores()
    results = {
        "a": result({"snr": {**a, "hard": -50.0}}),  # b failed on it, and must not gain by that
        "b": result({"snr": scores(seed=1)}, failed=1),
        "c": result({"snr": {}}),
    }
    found = compare(results)
    row = found.metrics["snr"]
    systems = row["systems"]
    assert (row["n"], row["left_out"]) == (30, 1)
    assert systems["a"]["mean"] == pytest.approx(np.mean(list(a.values())))
    assert systems["b"]["failed"] == 1
    assert systems["c"]["mean"] is None
    assert len(found.pairs) == 1
    assert "left out, since some system has no value: 1 of each metric" in markdown(found)
    assert worst_of(found, "snr", 2)[0] == "hard"
    assert len(worst_of(found, "snr", 20)) == 20


def test_few_utterances_are_not_tested():
    found = compare({name: result({"snr": scores(n=5, seed=i, shift=i)}) for i, name in enumerate("ab")})
    assert found.pairs[0]["p"] is None and found.pairs[0]["p_holm"] is None and "fewer than 6" in markdown(found)


def test_the_family_is_the_table_or_the_metric():
    results = {}
    for seed, system in enumerate("ab", 1):
        shifted = scores(seed=seed, shift=0.04 * seed)
        results[system] = result({"snr": shifted, "mcd": scores(seed=9 + seed)})
    by_table = compare(results).pairs
    by_metric = compare(results, family="metric").pairs
    plain = [row["p"] for row in by_table]
    assert [row["p"] for row in by_metric] == plain
    assert [row["p_holm"] for row in by_metric] == plain
    assert [row["p_holm"] for row in by_table] == holm(plain)


# --- bad input


def test_what_cannot_be_compared_is_said():
    one, two = result({"snr": scores()}), result({"snr": scores(seed=1)})
    with pytest.raises(ValueError, match="two or more"):
        compare({"a": one})
    with pytest.raises(ValueError, match="did you mean 'snr'"):
        compare({"a": one, "b": two}, metrics=["snrr"])
    with pytest.raises(ValueError, match="did you mean 'wilcoxon'"):
        compare({"a": one, "b": two}, test="wilcox")
    with pytest.raises(ValueError, match="family"):
        compare({"a": one, "b": two}, family="world")
    with pytest.raises(ValueError, match="share no utterance"):
        compare({"a": one, "b": result({"snr": {"other": 1.0}})})
    other = result({"snr": scores()}, metrics={"snr": {"rates": {"16000": {}}, "options": {}}})
    with pytest.raises(ValueError, match=r"snr of a and of b were measured differently \(rates\)"):
        compare({"a": one, "b": other})


def test_systems_are_named():
    assert list(systems_of(["x=a/b", "c/d", "run1/result.json"])) == ["x", "d", "run1"]
    with pytest.raises(ValueError, match="two systems are called 'd'"):
        systems_of(["a/d", "b/d"])
    for word in ("=a", "a=", ""):
        with pytest.raises(ValueError, match=r"NAME=FOLDER|two systems"):
            systems_of(["b/d", word, word])


def test_the_program_refuses_what_makes_no_sense(tmp_path):
    ref = Audio(clip(0.5, 200, 0), RATE).write(tmp_path / "ref/x.wav").parent
    empty = tmp_path / "empty"
    empty.mkdir()
    broken = tmp_path / "broken.json"
    broken.write_text('{"metrics": {}}')
    base = ["--reference", str(ref), "--out", str(tmp_path / "out")]
    for words, said in (
        ([f"a={ref}"], "two systems"),
        ([f"a={ref}", f"b={empty}"], "no audio in"),
        ([f"a={ref}", f"b={tmp_path / 'gone'}"], "no folder"),
        ([f"a={broken}", f"b={ref}"], "no result of bins.evaluate"),
    ):
        with pytest.raises(ValueError, match=said):
            main([*base, "--generated", *words, "--metrics", "si_sdr"])
    with pytest.raises(ValueError, match="did you mean 'si_sdr'"):
        main([*base, "--generated", f"a={ref}", f"b={ref}", "--metrics", "si_sdrr"])
    with pytest.raises(SystemExit):
        main([*base, "--generated", f"a={ref}", f"b={ref}", "--metrics", "si_sdr", "--alignment", "dtw"])
    with pytest.raises(ValueError, match="--metrics are needed"):
        main([*base, "--generated", f"a={ref}", f"b={ref}"])


# --- tables


def test_the_tables_say_what_they_should():
    found = compared({"our_s": scores(seed=1, shift=0.5), "b|x": scores(seed=2)})
    lines = markdown(found).splitlines()
    assert lines[0] == "| system | snr (dB) ↑ |"
    assert lines[1] == "| --- | ---: |"
    assert re.fullmatch(r"\| our_s \| \*\*\d\.\d{3}\*\* \[\d\.\d{3}, \d\.\d{3}\] \|", lines[2])
    assert re.fullmatch(r"\| b\\\|x \| \d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\] † \|", lines[3])
    tex = latex(found).splitlines()
    assert tex[1:5] == [r"\begin{tabular}{lr}", r"\toprule", r"System & snr (dB) $\uparrow$ \\", r"\midrule"]
    assert re.fullmatch(r"our\\_s & \\textbf\{\d\.\d{3}\} \{\\scriptsize \[.+\]\} \\\\", tex[5])
    assert tex[6].endswith(r"$^{\dagger}$ \\")
    assert tex[7:9] == [r"\bottomrule", r"\end{tabular}"]
    assert tex[0].startswith("% ")
    assert tex[9].startswith("% ")
    assert len(tex) == 10


def test_latex_escapes():
    assert escaped("a_b&50%$#{}~^\\\nx") == r"a\_b\&50\%\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{} x"


# --- the page as text


def test_ticks_are_round_and_few():
    assert ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0]) and ticks(-3, 17) == pytest.approx([0, 5, 10, 15])
    for low, high in ((0.9981, 0.9999), (-1e4, 3e5), (2.0, 2.1)):
        assert 3 <= len(ticks(low, high)) <= 11


def test_distributions_draw_every_value_where_it_lies():
    values = {"<s>": {f"u{i}": float(i) for i in range(11)}, "flat": dict.fromkeys("abc", 5.0)}
    mean = {"mean": 5.0, "interval": [4.0, 6.0]}
    row = {"unit": "dB", "higher_is_better": True, "systems": dict.fromkeys(values, mean)}
    svg = distributions(values, row, "snr")
    rising, flat = (
        [float(x) for x in re.findall(r"M([\d.]+) ", path)]
        for path in re.findall(r'class="dots" d="([^"]*)"', svg)
    )
    steps = np.diff(rising)
    assert len(steps) == 10
    assert steps == pytest.approx(steps[0], abs=0.11)
    assert flat == [rising[5]] * 3
    assert "<s>" not in svg
    assert "&lt;s&gt;" in svg
    assert distributions({"a": {}}, row, "fad") == ""


def sine(hertz, rate):
    """A second of it."""
    time = np.arange(rate) / rate
    return Audio(0.5 * np.sin(2 * np.pi * hertz * time), rate)


def test_a_spectrogram_has_its_tone_where_it_is_and_ends_where_the_sound_does():
    import librosa

    tone = sine(1000, RATE)
    levels = spectrogram(tone, 2.0, 8000)
    centres = librosa.mel_frequencies(98, fmax=8000)[1:-1]
    loudest = levels[:, 90].argmax()
    assert abs(centres[loudest] - 1000) < 60
    assert levels[:, :180].min() >= 1
    assert levels[:, 181:].max() == 0
    silence = Audio(np.zeros(100), RATE)
    assert spectrogram(silence, 0.1, 8000).max() < 200  # silence is dark, and no error
    assert picture_uri(tone, 1.0).startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize("codec", ["mp3", "ogg", "flac"])
@pytest.mark.parametrize("rate", [16000, 19980, 96000])
def test_sounds_come_back_out_of_their_uri(codec, rate):
    import base64
    import io

    import soundfile

    uri = sound_uri(sine(440, rate), codec)
    content = base64.b64decode(uri.split(",")[1])
    samples, read_rate = soundfile.read(io.BytesIO(content))
    assert len(samples) / read_rate == pytest.approx(1.0, abs=0.08)
    spectrum = np.abs(np.fft.rfft(samples[:read_rate]))
    assert spectrum.argmax() == pytest.approx(440, abs=2)
    with pytest.raises(ValueError, match="unknown codec"):
        sound_uri(Audio(np.zeros(10), RATE), "wma")


def test_no_text_ends_the_script_that_holds_it():
    told = {"name": "</script><script>alert(1)</script>\u2028<!--"}
    assert not set("<>&\u2028") & set(as_json(told)) and json.loads(as_json(told)) == told


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two systems of eight sounds through the program, one file of a nasty name, one that only one system has."""
    folder = tmp_path_factory.mktemp("compare")
    names = [NASTY.replace("/", ""), *(f"u{i}" for i in range(7))]
    for i, name in enumerate(names):
        samples = clip(0.6, 120 + 20 * i, i)
        rng = np.random.default_rng(i)
        noise = rng.standard_normal(len(samples)).astype(np.float32)
        Audio(samples, RATE).write(folder / f"ref/{name}.wav")
        slight = 0.002 * noise
        Audio(samples + slight, RATE).write(folder / f"a/{name}.wav")
        if i != 7:
            strong = 0.03 * noise - i * slight
            Audio(samples + strong, RATE).write(folder / f"b/{name}.wav")
    systems = [f"<i>a</i>={folder / 'a'}", f"b={folder / 'b'}"]
    words = ["--reference", folder / "ref", "--generated", *systems, "--out", folder / "out"]
    words += ["--metrics", "si_sdr", "energy_rmse", "--jobs", "1", "--worst", "5"]
    assert main(list(map(str, words))) == 0
    return folder


def results_in(folder):
    """What the program wrote for its two systems."""
    return {name: read_json(folder / f"out/system-{number}/result.json") for number, name in enumerate("ab", 1)}


def test_the_program_writes_everything(made):
    out = made / "out"
    names = {path.name for path in out.iterdir()}
    assert names == {"comparison.md", "comparison.tex", "comparison.json", "comparison.html", "system-1", "system-2"}
    found = read_json(out / "comparison.json")
    row = found["metrics"]["si_sdr"]
    assert row["n"] == 7
    assert row["best"] == ["<i>a</i>"]
    assert found["pairs"][0]["p"] == pytest.approx(2 / 2**7)
    # What was evaluated can be compared again from the results alone.
    again = [f"x={out / 'system-1/result.json'}", f"y={out / 'system-2/result.json'}"]
    assert main(["--generated", *again, "--metrics", "si_sdr", "--out", str(made / "again"), "--worst", "1"]) == 0
    assert (made / "again/comparison.html").read_text().count("data:audio/mpeg") == 3


def test_the_options_of_the_evaluation_are_passed_on(made):
    systems = [f"a={made / 'a'}", f"b={made / 'b'}"]
    words = ["--reference", made / "ref", "--generated", *systems, "--out", made / "upstream", "--no_page"]
    words += ["--metrics", "energy_rmse", "--definition", "upstream", "--align", "dtw", "--jobs", "1", "--fs", "16000"]
    assert main(list(map(str, words))) == 0
    settings = read_json(made / "upstream/system-1/result.json")["settings"]
    assert settings["definition"] == "upstream"
    assert settings["align"] == "dtw"
    assert list(settings["metrics"]["energy_rmse"]["rates"]) == ["16000"]
    assert not (made / "upstream/comparison.html").exists()


def test_the_page_is_whole_in_itself_and_names_are_text(made):
    page = (made / "out/comparison.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "<i>a</i>" not in page
    assert html.escape(NASTY) in page
    assert not re.search(r"""(src|href)\s*=\s*["']?\s*(https?:|//)|@import|url\(|fetch\(|XMLHttpRequest|\{\{""", page)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1])
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert page.count("data:audio/mpeg") == page.count("data:image/png")
    assert "Sounds are MP3" in page


def test_sounds_stay_under_the_limit(made):
    found = compare(results_in(made))
    for megabytes, sounds in ((0.06, range(1, 7)), (1e-4, range(1)), (50, range(20, 25))):
        path = write_page(found, made / "small.html", megabytes=megabytes, worst=20)
        page = path.read_text(encoding="utf-8")
        count = page.count("data:audio")
        assert count in sounds
        size = sum(map(len, re.findall(r'"data:[^"]+"', page)))
        assert size <= 1e6 * megabytes + 100
        assert ("have no players" in page) == (count < 20)
        assert "no player" in page
    with pytest.raises(ValueError, match="megabytes 0"):
        write_page(found, made / "small.html", megabytes=0)


def test_a_page_without_its_folders_has_no_players(made, tmp_path):
    results = results_in(made)
    for told in results.values():
        told["settings"]["generated"] = str(tmp_path / "gone")
        told["settings"]["reference"] = "gone"
    path = write_page(compare(results), tmp_path / "page.html")
    page = path.read_text(encoding="utf-8")
    assert "data:audio" not in page
    assert "no player" in page
    assert "<svg" in page


def test_a_damaged_result_is_named(tmp_path):
    (tmp_path / "a.json").write_text("{")
    write_json(tmp_path / "b.json", [1])
    for name in "ab":
        with pytest.raises(ValueError, match=f"{name}.json"):
            main(["--generated", f"x={tmp_path / name}.json", f"y={tmp_path / name}.json", "--out", str(tmp_path / "out")])


# --- the page in a browser


@browser
def test_the_page_works_in_a_browser(made, tmp_path):
    with Browser(tmp_path) as window:
        window.open(made / "out/comparison.html")
        ready = "[...document.querySelectorAll('.open audio')]"
        window.until(f"{ready}.length === 15 && {ready}.every(a => a.readyState > 0 && a.duration > 0.4)")
        pictures = window.run("return [...document.querySelectorAll('.open img')].map(i => i.naturalWidth)")
        assert pictures == [360] * 15
        # A click in a spectrogram plays from there, and another player then falls silent.
        window.click(".open .take:nth-child(2) .picture")
        window.until(f"{ready}[1].currentTime > 0.25")
        window.run(f"{ready}[2].play()")
        window.until(f"{ready}[2].ended && {ready}[1].paused")
        # The table sorts up, down, and by name; from the keyboard too.
        column = "return [...document.querySelectorAll('#scores tbody tr')].map(r => r.cells[1].dataset.value)"
        window.click("#scores th:nth-child(2) button")
        up = [float(value) for value in window.run(column)]
        window.press("Enter")
        down = [float(value) for value in window.run(column)]
        assert up == sorted(up) and down == up[::-1]
        assert window.run("return document.querySelector('#scores th:nth-child(2)').ariaSort") == "descending"
        # The other metric is a key away, and its players are made then.
        window.run("document.querySelector('#tab-0').focus()")
        window.press("ArrowRight")
        window.until(f"document.querySelector('#metric-1.open') && {ready}.every(a => a.readyState > 0)")
        assert window.run("return window.hurt") is None and window.complaints() == []
        assert {address.split(":")[0] for address in window.requests()} == {"file", "data"}


@browser
def test_the_policy_of_the_page_stops_what_is_put_into_it(made, tmp_path):
    page = tmp_path / "changed.html"
    text = (made / "out/comparison.html").read_text(encoding="utf-8")
    page.write_text(text.replace("</main>", "<script>window.hurt = 1</script><img src='http://127.0.0.1:9/x.png'></main>"), encoding="utf-8")
    with Browser(tmp_path) as window:
        window.open(page)
        window.until("document.body.classList.contains('scripted')")
        assert window.run("return window.hurt") is None
        assert sum("Content Security Policy" in said for said in window.complaints()) >= 2
