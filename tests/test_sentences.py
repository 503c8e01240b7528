"""Where sentences end, in the languages that espeak speaks: what is right is written by hand, its ends marked by "|"."""

from pathlib import Path

import pytest

from processors.abbreviations import LISTS, SHARED, tables, words_of
from processors.sentences import ends, plain, squeezed
from utils.files import read_json

SOLID = ("cmn", "ja")  # written without spaces
RIGHT = {
    "de": [
        "Am 3. Mai kam er an. | Dann ging er.",
        "Wir treffen uns am 24. Dezember um 8 Uhr. | Bring Wein mit.",
        "Das gilt z. B. für Kinder. | Und für Eltern.",
        "Das gilt z.B. für Kinder. | Nicht für Eltern.",
        "Er wohnt in Haus Nr. 5 am Markt. | Dort ist es laut.",
        "Dr. Müller und Prof. Weiß sprachen. | Niemand hörte zu.",
        "Im 19. Jahrhundert war das anders. | Heute nicht.",
        "Sie kaufte Äpfel, Birnen usw. auf dem Markt. | Es war teuer.",
        "Die Fa. Schmidt & Co. KG liefert. | Sie liefert gut.",
        "Es waren 1990 Leute da. | Er kam 1990. | Dann ging er.",
        "d. h. Wir kommen nicht. | Ende.",
        "Vgl. S. 12 ff. im Anhang. | Mehr steht dort.",
        "Die Hauptstr. 12 ist gesperrt. | Fahren Sie um.",
        "Ludwig XIV. Könige gab es viele. | Er war einer.",
        "Der 2. Weltkrieg endete 1945. | Viele starben.",
        "Er ist ca. 30 Jahre alt. | Sie ist älter.",
        "„Komm!“ sagte er. | „Nein.“ | Sie blieb.",
        "Wir waren zu dritt. | Es war schön.",
        "Seit dem 1. Januar gilt das Gesetz Nr. 17 nicht mehr. | Das freut uns.",
        "Die Sitzung beginnt um 10 Uhr. | Herr Dr. med. Weber leitet sie.",
        "Sie wohnt in der Goethestr. 14 a. | Er nicht.",
        "Der Umsatz stieg auf 3 Mio. Euro. | Der Gewinn fiel.",
        "Papst Johannes Paul II. starb 2005. | Viele trauerten.",
        "Er gewann gegen Bayern mit 3:2. | Das Tor fiel spät.",
        "Man braucht u. a. Mehl, Eier und Milch. | Rühren Sie gut.",
        "Wir sind 5. | Alle sind müde.",
        "Die 1. Bundesliga spielt wieder. | Die 2. Bundesliga auch.",
        "Siehe Abb. 4 und Tab. 2 auf S. 7. | Dort steht alles.",
        "Das Treffen ist am Mo. 5. Juni. | Komm bitte.",
        "Am 5.6.2020 war es soweit. | Sie heirateten.",
        "»Komm!« sagte er. | Sie kam.",
        "Am 3. 5. 2020 war es so weit. | Gut.",
    ],
    "fr": [
        "M. Dupont est arrivé. | Il est parti.",
        "Mme. Curie et le Dr. Roux travaillaient. | Ils cherchaient.",
        "Voir p. 12 et chap. 3 du livre. | C'est clair.",
        "Il mange des pommes, des poires, etc. | Elle dort.",
        "Il mange des pommes, etc. et boit. | Elle dort.",
        "Le n° 5 est cher. | Le no. 6 aussi.",
        "Ça va ? | Oui ! | Très bien.",
        "Il est né en 1990. | Il vit à Paris.",
        "« Bonjour. » dit-il. | Elle sourit.",
        "MM. Martin et Durand sont là. | Entrez.",
        "St. Exupéry a écrit cela. | Lisez-le.",
        "Le Pr. Martin et Mlle Dubois arrivent. | On les attend.",
        "Rendez-vous au 5, av. Victor-Hugo. | Soyez à l'heure.",
        "Cf. chapitre 3. | Il explique tout.",
        "Elle est née en 500 av. J.-C. à Athènes. | Elle y mourut.",
        "J. Dupont, P. Durand et al. ont publié. | C'était en 2001.",
        "Attention ! | Danger.",
    ],
    "es": [
        "La Sra. López llegó tarde. | El Sr. Pérez no.",
        "¿Qué tal? | ¡Bien! | Gracias.",
        "Vive en EE. UU. desde 1990. | Trabaja mucho.",
        "El Dr. García y la Dra. Ruiz hablan. | Es tarde.",
        "Véase la pág. 12 del libro. | Es largo.",
        "Ud. sabe la verdad. | Yo no.",
        "Compró pan, leche, etc. | Luego se fue.",
        "Av. Libertad 5 es la dirección. | Está cerca.",
        "Don José vive aquí. | D. José es viejo.",
        "Nació en el s. XIX en Madrid. | Murió joven.",
        "El art. 5 lo prohíbe. | Nadie lo sabe.",
        "El Prof. Gómez nació el 3 de mayo. | Murió en 1990.",
        "La empresa Textiles S.A. cerró. | Nadie protestó.",
        "Consulte las págs. 12 y 13. | Son claras.",
        "Llegó a las 5 p. m. en punto. | Cenó solo.",
        "Hay muchas aves, p. ej. Águilas reales. | Vuelan alto.",
        "Sto. Tomás y Sta. Ana son santos. | Se celebran.",
    ],
    "it": [
        "Il sig. Rossi è qui. | La sig.ra Bianchi no.",
        "Il Dott. Verdi parla. | Tutti ascoltano.",
        "Vedi pag. 12 e art. 3 della legge. | È chiaro.",
        "Mangia mele, pere, ecc. | Poi dorme.",
        "L'avv. Neri e l'ing. Bruni lavorano. | È tardi.",
        "Nacque nel 1990. | Vive a Roma.",
        "Il Prof. Gallo ha detto di no. | Perché?",
        "L'on. Bianchi ha parlato. | Nessuno ascoltava.",
        "S. Francesco visse ad Assisi. | Amava gli animali.",
        "Il Dr. Conti e la Dott.ssa Riva curano tutti. | Sono bravi.",
        "Abita in via Roma n. 5. | È al terzo piano.",
    ],
    "pt": [
        "O Sr. Silva chegou. | A Sra. Costa saiu.",
        "O Dr. Souza e a Dra. Lima falam. | É tarde.",
        "Veja a pág. 12 do livro. | É longo.",
        "Mora na Av. Paulista há anos. | Gosta muito.",
        "Comprou pão, leite, etc. | Depois saiu.",
        "O prof. Alves ensina. | Ele é bom.",
        "Nasceu em 1990. | Vive no Porto.",
        "A Profa. Marta e o Eng. Rui vieram. | Foi bom.",
        "Vive na R. Augusta. | É barulhenta.",
        "S. Paulo é grande. | Tem muita gente.",
        "Ver art. 5º e fig. 3. | Estão certos.",
    ],
    "nl": [
        "Dhr. Jansen is er. | Mevr. De Vries niet.",
        "Dat geldt bijv. voor kinderen. | Niet voor ouders.",
        "Hij woont op nr. 5 in de straat. | Daar is het druk.",
        "Dr. Bakker en prof. Visser spraken. | Niemand luisterde.",
        "Zie blz. 12 van het boek. | Het is lang.",
        "Hij kocht appels, peren, enz. | Daarna sliep hij.",
        "Het is ca. 30 jaar oud. | Het is mooi.",
        "'s Avonds is het koud. | Het sneeuwt.",
        "Prof. dr. De Boer geeft les. | Hij is streng.",
        "Zie afb. 3 en tab. 2. | Ze zijn helder.",
        "Zij kwam m.a.w. te laat. | Jammer.",
        "De N.V. Philips groeide. | Iedereen kende haar.",
    ],
    "sv": [
        "Det gäller t.ex. barn. | Inte vuxna.",
        "Dr. Berg och prof. Lind talade. | Ingen lyssnade.",
        "Han bor på nr. 5 i staden. | Det är högt.",
        "Det är bl.a. Anders och Eva. | De är snälla.",
        "Det är ca. 30 år gammalt. | Det är fint.",
        "Hon köpte äpplen, päron osv. | Sedan sov hon.",
        "Kl. 8 börjar mötet. | Kom i tid.",
        "Priset är 5 kr. | Det är billigt.",
        "Se s. 12 och kap. 3. | Där står allt.",
    ],
    "da": [
        "Den 3. maj kom han. | Så gik han.",
        "Det gælder f.eks. børn. | Ikke voksne.",
        "Han bor i nr. 5 på Torvet. | Der er støj.",
        "Det er bl.a. Anders og Eva. | De er flinke.",
        "Hr. Hansen og fru Jensen talte. | Ingen lyttede.",
        "Det er den 2. Verdenskrig. | Mange døde.",
        "Jf. § 5, stk. 2 i loven. | Den er klar.",
        "Den 1. Januar begynder det. | Vi er klar.",
        "Dr. Møller og hr. Olsen kom. | De spiste.",
    ],
    "nb": [
        "Den 17. Mai feirer vi. | Så spiser vi.",
        "Det gjelder f.eks. barn. | Ikke voksne.",
        "Han bor i nr. 5 ved torget. | Der er det støy.",
        "Kong Harald V. er gammel. | Han bor i Oslo.",
        "Møtet er kl. 10 på tirsdag. | Kom presis.",
    ],
    "fi": [
        "Hän tuli 3. toukokuuta. | Sitten hän lähti.",
        "Se koskee esim. lapsia. | Ei aikuisia.",
        "Tri. Virtanen ja prof. Mäki puhuivat. | Kukaan ei kuunnellut.",
        "Hän osti omenia, päärynöitä jne. | Sitten hän nukkui.",
        "Ks. s. 12 kirjassa. | Se on pitkä.",
        "Kokous on 5. päivä klo 10. | Tule ajoissa.",
        "Hän asuu mm. Helsingissä ja Turussa. | Ne ovat kaukana.",
    ],
    "pl": [
        "Pan dr. Nowak przyszedł. | Potem wyszedł.",
        "To np. Anna i Jan. | Oni są mili.",
        "Mieszka na ul. Długiej. | Tam jest głośno.",
        "Urodził się w 1990 r. w Polsce. | Żyje w Krakowie.",
        "Prof. Kowalski i inż. Lis mówili. | Nikt nie słuchał.",
        "Kupiła jabłka, gruszki itd. | Potem spała.",
        "Zob. str. 12 w książce. | Jest długa.",
        "To dzieło św. Tomasza. | Jest stare.",
        "Mieszkam przy al. Jerozolimskich. | Jest tam głośno.",
        "Ks. Jan i o. Piotr przyszli. | Potem poszli.",
        "Ma ok. 30 lat i dużo tzw. Przyjaciół. | Jest miły.",
        "Żył w XIX w. na Litwie. | Pisał wiersze.",
        "Ul. Piękna jest długa. | Lubię ją.",
    ],
    "cs": [
        "Přišel 3. května. | Pak odešel.",
        "To je např. Anna. | A Jan.",
        "MUDr. Novák a Ing. Dvořák mluvili. | Nikdo neposlouchal.",
        "Bydlí v č. 5 na náměstí. | Je tam hluk.",
        "Karel IV. Lucemburský vládl dlouho. | Zemřel.",
        "Koupila jablka, hrušky atd. | Pak spala.",
        "Sv. Václav byl kníže. | Zemřel mladý.",
        "Viz obr. 3 a tab. 2. | Jsou jasné.",
        "Narodil se 5. 6. 1990 v Brně. | Žije v Praze.",
        "Firma Škoda a.s. roste. | Vyrábí auta.",
    ],
    "ru": [
        "Он живёт в г. Москва. | Там шумно.",
        "На ул. Ленина стоит дом. | Он старый.",
        "А. С. Пушкин родился в Москве. | Он писал стихи.",
        "А.С. Пушкин родился в Москве. | Он писал стихи.",
        "Это было в 1990 г. в Москве. | Потом он уехал.",
        "Он ушёл в 1990 г. | Потом вернулся.",
        "Купил хлеб, молоко и т. д. | Потом ушёл.",
        "Купил хлеб, молоко и т.д. и ушёл. | Всё.",
        "См. рис. 5 в книге. | Он ясен.",
        "Проф. Иванов и акад. Павлов спорили. | Никто не слушал.",
        "В т. ч. Анна и Иван. | Они добрые.",
        "Стоит 5 тыс. руб. за штуку. | Это дорого.",
        "Им. Горького парк закрыт. | Он большой.",
        "Дом стоит на пл. Победы. | Он высок.",
        "В XIX в. Россия росла. | Потом пришла война.",
        "Длина 5 м. | Ширина неизвестна.",
        "Св. Николай жил давно. | Его помнят.",
        "Это стоит 100 руб. | Дорого!",
        "И. о. директора уволили. | Никто не жалел.",
        "Обл. центр далеко. | Ехать долго.",
        "Гл. 5, стр. 12, п. 3 закона. | Читайте.",
        "Н. э. началась давно. | Это факт.",
        "В 1812 г. Наполеон вошёл в Москву. | Потом ушёл.",
        "Это был я. | Он ушёл.",
    ],
    "uk": [
        "Він живе в м. Київ. | Там гарно.",
        "На вул. Шевченка стоїть дім. | Він старий.",
        "Т. Г. Шевченко писав вірші. | Він жив довго.",
        "Це було у 1990 р. в Києві. | Потім він поїхав.",
        "Див. рис. 3 на стор. 5. | Там усе.",
        "Ім. Лесі Українки театр відкрито. | Він гарний.",
    ],
    "tr": [
        "Dr. Yılmaz ve Prof. Kaya konuştu. | Kimse dinlemedi.",
        "Bu, vb. şeyler için geçerli. | Başka değil.",
        "II. Mehmet kenti aldı. | Sonra döndü.",
        "Atatürk Cad. No. 5 adresinde oturuyor. | Orası gürültülü.",
        "Sn. Demir geldi. | Sonra gitti.",
        "Doç. Dr. Aslan ve Av. Çelik geldi. | Toplantı başladı.",
        "29. Yüzyılda ne olacak? | Bilmiyorum.",
        "Elma, armut vb. aldı. | Sonra uyudu.",
        "Bkz. s. 12. | Orada yazıyor.",
    ],
    "el": [
        "Ο κ. Παπαδόπουλος ήρθε. | Μετά έφυγε.",
        "Αγόρασε μήλα, αχλάδια κ.λπ. | Μετά κοιμήθηκε.",
        "Τι κάνεις; | Καλά.",
        "Βλ. σελ. 12 του βιβλίου. | Είναι μεγάλο.",
        "Π.χ. η Άννα ήρθε. | Ο Νίκος όχι.",
        "Ο Δρ. Νίκου και η κα. Ρήγα μίλησαν. | Κανείς δεν άκουγε.",
        "Το 500 π.Χ. έγινε πόλεμος. | Κράτησε χρόνια.",
        "Ποιος είναι αυτός; | Ο Νίκος.",
    ],
    "hu": [
        "Május 3. napján jött. | Aztán elment.",
        "Ez pl. Annára igaz. | Péterre nem.",
        "Dr. Nagy és Prof. Kiss beszélt. | Senki sem figyelt.",
        "IV. Béla király volt. | Régen élt.",
        "A Petőfi u. 5. szám alatt lakik. | Ott csend van.",
        "A 19. században élt. | Verseket írt.",
        "Vett almát, körtét stb. a piacon. | Aztán aludt.",
    ],
    "ro": [
        "Dl. Popescu a venit. | Dna. Ionescu nu.",
        "Stă pe str. Lungă. | E zgomot acolo.",
        "Vezi pag. 12 din carte. | E lungă.",
        "Av. Ion Pop și ing. Dan Rus au venit. | Au plecat.",
        "Mere, pere etc. se vând aici. | Sunt bune.",
    ],
    "hi": [
        "डॉ. शर्मा आए। | वे चले गए।",
        "यह एक है। | वह दो है।",
        "श्री. वर्मा यहाँ हैं। | वे अच्छे हैं।",
        "प्रो. सिंह और श्रीमती. कौर आए। | वे बैठे।",
        "क्या? | हाँ! | ठीक है।",
    ],
    "bn": [
        "ড. ইউনূস এলেন। | তিনি গেলেন।",
    ],
    "ur": [
        "یہ ایک ہے۔ | وہ دو ہے۔",
    ],
    "ar": [
        "وصل د. أحمد أمس. | ثم رحل.",
        "كيف حالك؟ | بخير.",
        "قال د. محمد و أ. علي ذلك. | ثم ذهبا.",
    ],
    "fa": [
        "او آمد. | سپس رفت.",
    ],
    "ja": [
        "これはペンです。 | あれは本です。",
        "「行こう。」と彼は言った。 | 彼女は笑った。",
        "本当ですか？ | はい！",
        "「はい。」 | 彼は答えた。",
        "価格は３．５円です。 | 安い。",
    ],
    "cmn": [
        "你好。 | 今天天气很好！ | 走吧。",
        "他说：“走吧！” | 我们走了。",
    ],
    "ko": [
        "그는 왔다. | 그리고 갔다.",
        "정말요? | 네! | 좋아요.",
        "오늘은 3.5도이다. | 춥다.",
    ],
    "en-us": [
        "Smith et al. v. State was decided. | He lost.",
        "Roe v. Wade is known. | Few have read it.",
        "Yahoo! Inc. was sold. | Few noticed.",
        "Jones et al. Found it in 1990. | It was new.",
        "Dr. Smith met Mrs. Jones at 5 p.m. on Jan. 5. | They ate.",
        "She has a Ph.D. in physics. | He does not.",
        "The U.S. and the U.K. agreed. | They signed.",
        "He lives in the U.S. | She does not.",
        "See Fig. 3 and Eq. 5 below. | They are clear.",
        "He works at Acme Corp. in Ohio. | She left.",
        "Go to Washington, D.C. now. | It is far.",
        "Visit www.example.com. | It is good.",
        "Jeopardy! is on TV. | Watch it.",
        "“Who?” asked Mary. | Nobody knew.",
        "Gov. Smith vs. Sen. Jones was tense. | Who won?",
        "Brown v. Board of Education ended it. | Times changed.",
        "Guess? Inc. sells jeans. | They fit.",
        "See Art. 5 and App. 3 for more. | They help.",
        "In Jan. 2020 it began. | We stayed home.",
        "Mr. J. P. Morgan Jr. died. | He was rich.",
        "It weighs 5 lbs. | That is a lot.",
        "He said “Go.” | She went.",
        "Yahoo! Finance is up. | Who knew?",
        "J. P. Morgan was rich. | He died.",
        "He came on Fri. June 5 by train. | She did not.",
    ],
    "sk": [
        "Prišiel 3. mája. | Potom odišiel.",
        "Pán Ing. Kováč býva na ul. Dlhej. | Je tam hluk.",
    ],
    "sl": [
        "Prišel je 3. maja. | Potem je šel.",
        "G. Novak in ga. Kos sta prišla. | Potem sta šla.",
    ],
    "hr": [
        "Došao je 3. svibnja. | Zatim je otišao.",
        "To je npr. Ana. | Ivan nije.",
        "Sv. Nikola je star. | Zatim odmor.",
    ],
    "bg": [
        "Той живее в гр. София. | Там е шумно.",
        "Проф. Иванов и г-н Петров дойдоха. | После си тръгнаха.",
        "Ул. Раковски е дълга. | Харесва ми.",
    ],
    "ca": [
        "El Sr. Puig va arribar. | La Sra. Roca no.",
    ],
    "et": [
        "Ta tuli 3. mail. | Siis ta läks.",
        "Hr. Tamm ja pr. Kask tulid. | Nad sõid.",
    ],
    "lv": [
        "Viņš ieradās 3. maijā. | Tad aizgāja.",
        "Dr. Bērziņš dzīvo Brīvības ielā nr. 5. | Tur ir skaļi.",
    ],
    "id": [
        "Dr. Budi dan Ir. Sari datang. | Mereka pergi.",
        "Jl. Sudirman No. 5 ditutup. | Cari jalan lain.",
    ],
    "vi": [
        "TS. Nguyễn đã đến. | Ông ấy đi rồi.",
        "Sách, vở, v.v. rất rẻ. | Tôi mua.",
    ],
    "hy": [
        "Նա եկավ։ | Հետո գնաց։",
    ],
    "am": [
        "እሱ መጣ። | ከዚያ ሄደ።",
    ],
    "my": [
        "သူလာတယ်။ | သူသွားတယ်။",
    ],
    "he": [
        "הוא בא. | היא הלכה.",
    ],
    "ka": [
        "ის მოვიდა. | მერე წავიდა.",
    ],
    "lt": [
        "Pvz. Jonas ir Ona. | Jie geri.",
    ],
    "sr": [
        "Др Петровић живи у ул. Кнеза Милоша. | Тамо је бучно.",
    ],
    "is": [
        "Hr. Jón og dr. Anna komu. | Þau fóru.",
    ],
    "th": [
        "ดร. สมชาย มาแล้ว",
    ],
    "pt-br": [
        "O Sr. Silva chegou. | Ele saiu.",
    ],
    "fr-fr": [
        "M. Dupont est là. | Il dort.",
    ],
    "nn": [
        "Han bur i nr. 5 ved torget. | Der er det støy.",
    ],
    "km": [
        "គាត់មក។ | គាត់ទៅ។",
    ],
}  # fmt: skip
CASES = [(language, sentences) for language, texts in RIGHT.items() for sentences in texts]


def cut(text, language):
    places = [0, *(place for place, _ in ends(text, language))]
    return [text[a:b].strip() for a, b in zip(places, places[1:], strict=False)]


@pytest.mark.parametrize(("language", "marked"), CASES, ids=lambda value: value[:40])
def test_sentences_end_where_they_do(language, marked):
    sentences = marked.split(" | ")
    assert cut(("" if language in SOLID else " ").join(sentences), language) == sentences


def test_each_language_has_four_lists_of_small_letters_without_the_last_stop():
    for language, lists in read_json(LISTS).items():
        assert set(lists) == {"inside", "numbered", "ends", "starters"}, language
        for words in map(str.split, lists.values()):
            assert words == [word.lower().removesuffix(".") for word in words], language
            assert len(words) == len(set(words)), language


def test_the_guide_says_how_many_languages_have_lists():
    guide = Path(__file__).parents[1] / "egs/tts/README.md"
    languages = tables().keys() - {SHARED}
    assert f"{len(languages)} languages have lists" in guide.read_text(encoding="utf-8")


def test_a_language_without_lists_has_those_that_most_share():
    assert "dr" in words_of("xx").inside and not words_of("xx").starters
    assert cut("Dr. Xyz abc. Def ghi.", "xx") == ["Dr. Xyz abc.", "Def ghi."]


@pytest.mark.parametrize("mark", "\u0964\u06d4\u0589\u1362\u104b\u17d4\u061f\u203c")
def test_marks_of_other_scripts_end_sentences(mark):
    assert cut(f"Ab{mark} Cd{mark}", "xx") == [f"Ab{mark}", f"Cd{mark}"]


def test_full_width_stops_between_digits_are_points():
    assert cut("３．５です．次です．", "ja") == ["３．５です．", "次です．"]


def test_control_characters_are_spaces_and_all_line_ends_are_one():
    assert plain("a\0b\x1bc") == "a b c"
    assert plain("a\u2028b\x85c\x0cd\u2029e\tf") == "a\nb\nc\nd\n\ne\tf"
    assert cut(plain("one\u2029two"), "en-us") == ["one", "two"]


def test_long_runs_of_marks_are_shortened_and_nothing_else():
    usual = "Well... “(yes)”?! — e\u0301, कि.\n\n" + "-" * 40 + " no"
    assert squeezed(usual) == usual
    assert squeezed("a" + "!" * 1000 + "b") == "a" + "!" * 64 + "b"
    assert squeezed("a." + "-" * 100 + "\n\n" + "-" * 100 + " b").count("\n\n") == 1
    for size in (65, 70, 200):  # in one go or in two
        run = ("?!" * size)[:size]
        assert squeezed(squeezed("a" + run[:40]) + run[40:]) == squeezed("a" + run)
