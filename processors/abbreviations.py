"""Which full stops belong to the word before them: abbreviations, initials and ordinal numbers, in the languages that espeak speaks.

A language has four lists in small letters, without the last stop and without spaces ("z. B." is "z.b"): abbreviations inside a
sentence, those before a number, those that may end a sentence too, and words that begin many sentences. One of the first and the
third list at once ends a sentence only before such a word. What no list knows is told by its form: one letter, letters parted by
stops, or no vowel.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import NamedTuple

from processors.lexicon.english import STARTERS, TITLES


class Words(NamedTuple):
    """The lists of a language."""

    inside: frozenset[str]
    numbered: frozenset[str]
    ends: frozenset[str]
    starters: frozenset[str]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


COMMON = (  # in most languages but English, which has its own
    "dr dra prof sr mr mrs ms mme mlle messrs mgr st ste cf v vs ca resp dipl ing ph.d m.sc b.sc rev capt sgt lt",
    "no nos nr art fig figs tab p pp pag vol vols cap par op ch lit max min",
    "etc al co ltd inc corp jr bros s.a jan feb mar apr jun jul aug sep sept oct okt nov dec dez",
    "",
)
TABLE = {
    "en": (
        "e.g i.e vs v cf viz approx st messrs mme mlle",
        "no nos fig figs vol vols p pp ch sec eq eqs art arts ex app ref refs tab para op sat sun",
        "jr sr co ltd inc ave blvd rd dept mon tue tues wed thu thur thurs fri jan feb mar apr jun jul aug sept sep oct nov dec etc al bros "
        "corp est",
        "",  # those of processors.lexicon.english
    ),
    "af": ("mnr mev mej ds bv d.w.s m.a.w asook genl", "bl vgl paragr", "ens e.d.m o.a e.a", "die dit hy sy hulle ons daar toe maar en"),
    "ar": ("السيد أ.د د.م ص.ب", "ص ج ط رقم", "إلخ الخ هـ", "ثم و لكن"),
    "az": ("dos akad müəl küç", "səh", "və.s və.b", "bu o sonra amma və mən biz onlar"),
    "be": ("вул пл праф акад ім т.зв ул", "мал табл", "г гг ст т.д т.п інш руб", "ён яна яны гэта потым але і"),
    "bg": (
        "г гг в г-н г-жа г-ца д-р проф акад инж доц гр ул бул пл св т.е т.нар напр вж ср кв",
        "стр чл ал фиг табл гл бр",
        "г гг в др т.н пр лв и.др",
        "той тя те то това тогава но и аз ние вие там после след",
    ),
    "bn": ("ড ডা ডঃ মো মোঃ অধ্যা", "পৃ নং", "ইত্যা", ""),
    "bs": ("gosp gđa gđica tzv npr tj sv ul inž", "br str čl", "itd itsl i.sl god", "on ona oni to zatim onda ali a i tada"),
    "ca": ("srta sra avda av pl pg sta mn p.ex il·lm excm", "núm pàg pàgs arts", "etc s.l", "ell ella ells això després però i no"),
    "cs": (
        "mudr judr phdr bc doc rndr thdr csc arch plk kpt pí sl tzv např tj mj popř příp srov zejm ul nám tř sv t.j a.s s.r.o angl něm lat fr",
        "č čís str s obr odst kap roč",
        "atd apod aj př.n.l n.l hod tis mil mld kč",
        "a ale ani byl byla bylo co dnes i já je jeho její jen jsem kde kdo když na ne není nyní on ona oni pak po potom pro proto s se "
        "tady tak také tam tato ten tento to tím už v však z za",
    ),
    "cy": ("y.h h.y e.e", "rh tud", "ayyb ayb", "mae roedd ond a yna"),
    "da": (
        "hr fr frk dir cand mag f.eks bl.a d.v.s dvs evt inkl ekskl pga mht ang vedr iflg jf sml mfl skt m.h.t p.g.a afd",
        "stk kap kl bd",
        "osv m.v mv m.m m.fl o.l mio mia kr o.s.v",
        "alle at da de den der derefter det dette du efter en er et for han har her hun hvad hvem hvis hvor i ikke ingen jeg ja men "
        "mange man med mens nej nu når og om på senere siden så til under vi",
    ),
    "de": (
        "hr fr frl med jur phil rer nat hon hl fa bzw bspw z.b zb d.h dh u.a ua o.ä i.d.r idr i.allg u.u z.t z.zt z.hd zhd i.a v.a "
        "m.e vgl sog evtl ggf inkl exkl insb insbes bes allg gem lt bzgl betr abt geb gest verh gegr ehem vorm jew urspr rd co str hrsg "
        "verf übers gez mio mrd tsd röm griech lat engl dt österr schweiz ev kath nördl südl östl westl s.o s.u o.g i.v p.a a.d a.m "
        "ziff anm jg jhg",
        "nrn abs kap bd bde abb s sp rn kl t std mo di mi do fr sa so",
        "usw usf f ff u.ä o.ä u.v.m uvm u.s.w u.a.m jh jhd jhs jhdt v.chr n.chr chr mrz",
        "aber ab alle als am an auch auf aus bei da dabei dafür damit danach dann das dazu dem den denn der deshalb dies diese dieser "
        "dieses die "
        "doch dort du ein eine einer einem einen er es für heute hier ich ihr ihre im in ja jede jeder jetzt kein keine man mit nach nein "
        "nicht niemand noch nun nur ob oder ohne schon sein seine seit sie sind so sofort später trotzdem und unser viele von vor wann warum "
        "was weil wenn wer wie wir wo zu zum zur zuerst",
    ),
    "el": (
        "κ κα κος δρ καθ αγ π.χ πχ δηλ βλ πρβλ λ.χ λχ τ.μ οδ λεωφ",
        "σελ σ αρ αριθ κεφ εικ τόμ άρθρ",
        "κ.λπ κλπ κ.ά κ.α κ.τ.λ κτλ κ.ο.κ μ.χ μ.μ π.μ α.ε δισ εκατ χιλ",
        "αυτό αυτός αυτή μετά και αλλά ο η το οι τα δεν",
    ),
    "eo": ("d-ro s-ro s-ino ekz t.e", "n-ro paĝ", "ktp k.a", "li ŝi ili mi ni vi tio kaj sed poste"),
    "es": (
        "sra srta sres sras dres dras d dña profa lic arq gral cnel cap tte sgto mons fr sto sta ud uds vd vds excmo excma ilmo ilma p.ej ej "
        "av avda pza pl ctra gob pdte admón dpto depto tel teléf aprox máx mín ee rr jj ff cc aa vv a.c j.c",
        "núm nº n pág págs arts caps apdo",
        "ee.uu uu rr.hh jj.oo ff.aa cía s.l ltda d.c a.m p.m ene abr ago dic",
        "él ella ellos ellas el la los las un una yo tú no y pero luego después entonces es son está en de que se su",
    ),
    "et": (
        "hr pr prl s.o s.t nt näit lk vt jt tn mnt pst tlv snd",
        "ptk joon kd",
        "jne jms vms jm ekr pkr krt eur tk milj mln mrd",
        "aga ei et ja kas kes kui ma me mida mis nad need nii nüüd pärast sa samuti see seda seejärel siin siis ta te tema täna",
    ),
    "eu": ("jn and adib hots", "zk or", "etab abar e.a", "hau hori hura eta baina gero"),
    "fa": ("دکتر", "ص ج ش", "غیره ق.م", "او سپس اما و"),
    "fi": (
        "hra rva nti tri dos toht maist ins kapt esim ks vrt ent nyk ns os ts jkr synt kuol puh huom mm",
        "nro n:o luv kpl klo kuv taul mom",
        "jne yms ym jms em ekr mrd milj tms",
        "ei en ehkä hän he ja jos kai kaikki kun kuka koska me mikä minä mutta myöhemmin ne nyt niin nämä onko se sen siellä silloin "
        "sinä sitten tai te tämä tänään vasta",
    ),
    "fr": (
        "m mm mmes mlles me pr sts c.-à-d càd p.ex av bd boul bld fg fbg env apr j.-c éd dir coll trad suppl réf cne vve hab tél",
        "n° n chap t tom al num",
        "cie sté s.a.r.l janv févr avr juill déc jc",
        "il elle ils elles on je tu nous vous le la les un une des ce cette ces et mais puis alors ensuite à en dans",
    ),
    "ga": ("uas srl", "lch uimh", "rl", "tá bhí sé sí ach agus"),
    "gu": ("ડૉ ડો શ્રી શ્રીમતી પ્રો", "પૃ નં", "વગેરે", ""),
    "he": ("ד״ר פרופ מר גב׳ רח׳ עו״ד", "עמ מס", "וכו וכד", ""),
    "hi": ("डॉ डा श्री श्रीमती सुश्री प्रो पं मो कु स्व ले ई.पू", "पृ सं नं क्र", "आदि इत्या", ""),
    "hr": (
        "dr mag prof ing doc akad gosp gđa gđica sv tzv npr tj odn usp ul trg o.g d.d d.o.o",
        "br str čl gl",
        "itd itsl i.sl dr i.dr god st pr.kr p.kr kn mil mlrd tis",
        "a ali bio bila danas i ili ja je jer kad mi na ne nije no on ona oni ono onda po potom sada se sutra tada tako to u zatim",
    ),
    "hu": (
        "ifj özv id gr br pl ill kb vö ún szt bp alez ezr vkit vmit krt ld",
        "sz u old o köt ábr évf",
        "stb kft rt zrt bt kkt nyrt db ft i.e i.sz de du febr márc ápr máj jún júl szept u",
        "a akkor amikor az azonban aztán azért bár csak de egy ekkor ennek és ez ezek ezért ezután ha hogy hol itt így ki majd mert mi mivel "
        "ma még mindenki most nagyon nem ott ő ők régen senki talán te továbbá utána vagy valaki végül viszont",
    ),
    "hy": ("դր պրոֆ", "էջ", "և.այլն", ""),
    "id": (
        "drs ir tn ny nn bpk sdr yth jl jln gg kec kab prov a.n u.b d.a",
        "hlm hal hlmn bab",
        "dll dsb dst dkk tbk",
        "dia mereka ini itu saya kami kita lalu tetapi dan",
    ),
    "is": ("hr fr sr t.d þ.e þ.m.t m.a sbr sk u.þ.b skv", "bls kl mgr", "o.s.frv o.fl kr m.fl f.kr e.kr", "hann hún þeir þær það þá en og svo"),
    "it": (
        "sec secc sig sigg sig.ra sig.na sigg.ri dott dott.ssa dr.ssa prof.ssa avv arch rag geom on sen mons magg ten serg s ss p.es es cfr "
        "v.le p.zza p.le "
        "c.so viale pref egr gent spett ca tel cell cit trad",
        "n nn num artt pagg capp figg voll sez",
        "ecc s.p.a spa s.r.l srl a.c d.c genn febbr sett ott dic",
        "lui lei loro egli ella essi io tu noi voi il lo la i gli le un una ma poi allora e non è questo quello",
    ),
    "ka": ("ბატ ქ-ნ პროფ აკად ქ ე.ი", "გვ თავ სურ", "და.ა.შ ა.შ", ""),
    "kk": ("көш акад проф", "бет", "т.б т.с.с", "ол олар бұл содан"),
    "la": ("cn ti", "lib", "etc", ""),
    "lb": ("här z.b d.h bzw", "s", "asw", "an et hien si mir dann du wann"),
    "lt": (
        "doc akad inž pvz t.y vad žr plg gerb kun šv mgr g pr",
        "psl pav lent str",
        "ir.t.t t.t pan kt ir.kt tūkst mln mlrd eur m d",
        "jis ji jie jos tai bet ir o tada",
    ),
    "lv": (
        "doc akad inž piem t.i t.s sk iel bulv kdze",
        "lpp att sēj nod",
        "utt u.tml u.c gs g tūkst milj mljrd",
        "bet es ja jo kad kas kā ko mēs ne no pēc savukārt šis šī šodien tad tā tagad tas tie tomēr tur un vai viņa viņi viņš",
    ),
    "mk": ("г-ѓа г-дин д-р проф акад инж ул св т.е т.н на.пр", "бр стр чл", "г год итн и.др др", "тој таа тие тоа потоа но и"),
    "ml": ("ഡോ ശ്രീ പ്രൊഫ", "പേ നം", "മുത", ""),
    "mr": ("डॉ श्री सौ प्रा कु पं", "पृ क्र", "इ इत्या", ""),
    "ms": ("ir en pn cik tn jln", "hlm bab", "dll dsb sdn bhd", "dia mereka ini itu saya kami kita"),
    "mt": ("sur eż", "nru", "eċċ", ""),
    "nb": (
        "hr fr frk f.eks bl.a d.v.s dvs evt inkl ekskl pga mht ang vedr iflg jf s.k t.d",
        "kap kl bd pkt s",
        "osv m.v mv m.m m.fl mfl o.l mill mrd kr o.s.v a.s",
        "av da de den der det deretter derfor dette dit du en er et etter for fordi han har hun hva hvem hvis hvor i ikke ingen jeg ja men "
        "mange man med mens nei noen nå når og også om på senere siden så til under vi videre dere",
    ),
    "ne": ("डा डॉ श्री प्रा", "पृ नं", "आदि", ""),
    "nl": (
        "dhr mevr mw mej drs ir ds bc bijv bv d.w.z dwz d.m.v m.b.t m.b.v o.a n.a.v i.p.v t.o.v t.a.v z.g zg zgn a.u.b circa evt incl excl vgl "
        "gem jl geb gest burg kon str m.i i.v.m o.l.v b.v n.v",
        "nrs blz afb hfst hoofdst dl tel",
        "enz e.d ed e.a m.a.w b.v n.v j.l n.chr v.chr mln mld mrt",
        "hij zij ze het de een ik jij je wij we er daar daarna dan maar en toen nu dit dat deze die in op niet geen",
    ),
    "pa": ("ਡਾ ਸ਼੍ਰੀ ਸ੍ਰੀ ਪ੍ਰੋ", "ਪੰ ਨੰ", "ਆਦਿ", ""),
    "pl": (
        "inż r w doc hab lek med płk ppłk mjr kpt por ppor ks bp abp kard św np tzn tzw tj m.in zob ul al pl os wg im ang łac niem zm ur "
        "wyd tłum",
        "str s t rys ryc rozdz ust poz pkt ok",
        "itd itp r wiek w tys mln mld zł gr godz n.e p.n.e i.in im",
        "a ale ani bo był była było być co czy dlatego dziś gdy gdzie i ja jak jednak jego jej jest jeśli kiedy kto lecz ma mam my na nie niech "
        "nigdy nikt od on ona one oni ono oraz po potem przez są tak tam ten to tu ty w wtedy wszyscy z za że",
    ),
    "pt": (
        "sra srta srs sras drs dras d profa eng enga arq cel ten exmo exma ilmo ilma v.exa p.ex ex av r pç pça est rod lgo trav sto sta "
        "aprox tel org "
        "trad coord gov pres adv",
        "nº n núm pág págs arts caps inc",
        "ltda cia a.c d.c fev abr mai ago set out dez",
        "ele ela eles elas eu tu nós o a os as um uma mas depois então e não é isto isso foi",
    ),
    "ro": (
        "dl dna d-na d-l d-ra av acad str bd bld bul sf șos jud mun tel adică p.ex ex cca",
        "alin lit",
        "ș.a s.a ș.a.m.d s.a.m.d s.r.l d.hr î.hr d.ch",
        "el ea ei ele eu tu noi voi dar și apoi atunci un o acest această nu este",
    ),
    "ru": (
        "г гг в вв гор ул пр просп пл пер бул бульв наб стр корп кв обл р-н респ пос дер ст акад проф доц канд докт д-р инж полк кап лейт "
        "им св т.е "
        "т.к т.н т.о тов гр г-н г-жа см ср напр нпр ок прим букв лат англ нем фр греч ит сов рос изд ред сост сокр в.т.ч т.ч",
        "рис табл гл стр разд п пп ст ч вып илл кн с т",
        "г гг в вв др пр т.д т.п и.т.д руб коп тыс млн млрд трлн н.э экз чел проч час мин сек км кг куб кв им",
        "а вот все всё вы где да для его ее её если еще ещё же за и из или их как когда кто мы на не нет но ну о он она они оно от по "
        "поэтому потом "
        "после при с сейчас так там тогда то тут ты у уже хотя что чтобы эта эти это этот я в",
    ),
    "sk": (
        "mudr judr phdr bc doc rndr csc arch plk kpt sl tzv napr t.j tj príp porov najmä ul nám sv a.s s.r.o",
        "č čís str s obr ods kap roč",
        "atď apod a.i p.n.l n.l hod tis mil mld",
        "a ale ani bol bola bolo čo dnes i ja je jeho jej keď kde kto na nie on ona oni potom preto sa tak tam ten to v však z za",
    ),
    "sl": (
        "mag doc inž g ga gdč gosp npr t.i tj oz sv ul trg prim",
        "št str čl odst pogl",
        "itd ipd idr i.dr pr.kr n.št mio mrd",
        "a ampak bil bila danes in ja je kaj kdo ko na ne ni on ona oni pa potem se tako tam to tu v zato",
    ),
    "sq": ("z znj p.sh d.m.th rr shën", "nr fq", "etj e.tj", "ai ajo ata kjo ky por dhe pastaj"),
    "sr": (
        "др мр инж г гђа св тзв нпр тј ул акад проф gosp gđa sv tzv npr tj ul akad",
        "бр стр чл br str čl",
        "итд и.сл год др itd i.sl god",
        "он она они то затим онда али а и тада on ona oni to zatim onda ali i tada",
    ),
    "sv": (
        "hr fr frk doc dir t.ex bl.a bla d.v.s dvs s.k ev inkl exkl p.g.a pga m.h.t ang f.d jfr jmf t.o.m fr.o.m from e.dyl civ jur tf enl",
        "sid kap kl bd",
        "osv o.s.v m.m m.fl mfl o.dyl odyl e.kr f.kr milj mdr kr",
        "han hon de den det jag du vi ni men och sedan då nu när om i på en ett detta",
    ),
    "sw": ("bw bi dkt mh mhe", "uk na", "n.k nk", ""),
    "ta": ("திரு திருமதி டாக்டர் டாக் பேரா செல்வி", "பக் எண்", "முத", ""),
    "te": ("డా శ్రీ ప్రొ", "పే నం", "మొద", ""),
    "tr": (
        "doç yrd öğr gör av sn hz org alb yb müh mim ecz uzm bkz örn cad cd sok sk mah mh bul blv apt böl çev haz yay t.c",
        "nu s sy sf cilt md bk böl daire",
        "vb vs vd a.ş şti m.ö m.s tic san yy",
        "ama ancak ben benim bir biz bu bunlar bunun böyle burada çok çünkü daha fakat hayır hem herkes kim kimse ne neden o onlar onun "
        "orada orası sen siz sonra şimdi şu ve ya yine",
    ),
    "uk": (
        "м р вул просп пр пл бул бульв пров наб смт обл р-н проф акад доц канд інж полк ім св т.зв див пор напр лат англ нім гр тов",
        "рис табл розд гл стор п вип кн",
        "р рр ст т.д т.п т.ін ін та.ін др грн коп тис млн млрд н.е год ім",
        "він вона вони воно це потім але і й я ми ви там тут як коли що не на у в з за після тоді",
    ),
    "ur": ("ڈاکٹر ڈ جناب", "ص نمبر", "وغیرہ", ""),
    "uz": ("akad dots ko'ch", "bet", "va.h.k h.k", "u bu ular keyin lekin va"),
    "vi": ("ts ths gs pgs bs ks ts.bs gs.ts pgs.ts tp tx th.s", "tr", "v.v vv", "anh chị ông bà tôi họ nó đó nhưng và sau"),
}  # fmt: skip
SAME = {"gl": "pt", "an": "es", "no": "nb", "nn": "nb", "fo": "da", "sh": "hr", "ltg": "lv", "hak": "cmn", "yue": "cmn", "zh": "cmn"}
ORDINAL = _set("az de lb tr")  # where a capital may follow "3.", the third
MONTHS = frozenset(  # of Danes and Norwegians who write them with one
    ["januar", "februar", "marts", "mars", "april", "maj", "mai", "juni", "juli", "august", "september", "oktober", "november", "december"]
)
RULERS = ORDINAL | _set("bs cs da et eu fi hr hu is lv nb sk sl sr")  # where a king is "IV."
SYLLABIC = re.compile("[rlрл]")  # sounds that can stand for a vowel: "krk", "vlk"
ROMAN = re.compile("[IVXL]{2,}")
SLAVIC = _set("bg bs cs hr mk sk sl sr")
VOWELS = re.compile("[aeiouywœæøıəаеиоуыэюяєіαεηιουω]")
WRITTEN = re.compile("[a-zß-ʯͰ-ԯἀ-῿-]+")  # scripts that write their vowels
UNITS = _set("km m cm mm kg g mg t l ml h s kw v w hz mhz ghz b kb mb gb км м см мм кг г мг т л мл ч с кв")
SPELT = _set("tv cd dvd pc sms mms wc gps usb lp vm hm hmm brr pst psst sh shh")  # words without a vowel
SINGLE = frozenset("яő")  # words of one letter that end sentences
UNCUT = re.compile("[\u0e00-\u0eff]")  # Thai and Lao end no sentence with a full stop
SOLID = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")  # a character is a syllable or a word
SPACED = re.compile(r"(?:(?<!\w)[^\W\d_]{1,4}\.\s?){1,4}$")  # letters with stops and spaces between them
DOTTED = re.compile(r"(?:[^\W\d_]{1,3}\.)+[^\W\d_]{1,3}")
COUNT = re.compile(r"(?:\d|\b[IVXLC]+)\s*$")
OPEN = "\"'“”„‚‘«»‹›([¿¡"


def base(language: str) -> str:
    """"pt-br" is "pt"; what shares a table with another has that one's name."""
    code = language.lower().split("-")[0]
    return SAME.get(code, code)


@cache
def words_of(code: str) -> Words:
    """The lists of a language."""
    own = [_set(words) for words in TABLE.get(code, ("",) * 4)]
    listed = own[0] | own[1] | own[2]
    if code == "en":
        return Words(own[0] | ({title.lower() for title in TITLES} - listed), own[1], own[2], STARTERS)
    return Words(*(words | (_set(more) - listed) for words, more in zip(own, COMMON, strict=True)))


def belongs(before: str, following: str, language: str) -> bool:
    """True when the full stop after `before`, the sentence so far, belongs to its last word.

    `following` is the word behind it, with the stop of an initial ("S.").
    """
    code = base(language)
    known = words_of(code)
    word = before.rsplit(maxsplit=1)[-1].lstrip(OPEN) if before.strip() else ""
    earlier = before.rstrip()[: len(before.rstrip()) - len(word)].rstrip(OPEN).rstrip()
    if word.isdigit():
        return _numbers(word, earlier, following, known, code)
    starts = following.lower() in known.starters
    return _english(word, earlier, following, starts, known) if code == "en" else _listed(word, earlier, following, starts, known, code)


def _numbers(word: str, earlier: str, following: str, known: Words, code: str) -> bool:
    """Whether it numbers what follows, "1. Wash the rice.", or is an ordinal."""
    if len(word) > 3:
        return False
    if _ended(earlier, known, code) or (code in RULERS and following[:1].isdigit()):
        return True
    if code in ("da", "nb"):
        return following.lower() in MONTHS or earlier.endswith("den")
    return code in ORDINAL and following.lower() not in known.starters


def _ended(earlier: str, known: Words, code: str) -> bool:
    """True where nothing is before, or a mark that is not an abbreviation's ("on Jan. 5. They")."""
    if not earlier:
        return True
    last = earlier.rsplit(maxsplit=1)[-1].lower()
    bare = last.strip(".")
    if code == "de" and bare.endswith("str"):  # "Hauptstr. 5"
        return False
    return last[-1] in ".!?:;" and len(bare) != 1 and bare not in known.inside | known.ends | known.numbered


def _english(word: str, earlier: str, following: str, starts: bool, known: Words) -> bool:
    low = word.lower()
    if low in known.numbered and (following[:1].isdigit() or word != low.upper()):  # "p. 5", and not "J. P. Morgan"
        return following[:1].isdigit()
    if low in known.inside:
        return True
    if re.fullmatch(r"(?:[A-Za-z]\.)+[A-Za-z]", word) or low in known.ends:
        return not starts
    # An initial, but for "It was I. He left."
    return len(word) == 1 and word.isupper() and not (word == "I" and earlier[-1:].islower() and starts)


def _listed(word: str, earlier: str, following: str, starts: bool, known: Words, code: str) -> bool:
    word = re.sub(r".*['’]", "", word)  # "l'avv."
    spaced = SPACED.search(earlier)  # "z. B."
    whole, counted = (spaced[0] if spaced else "") + word, bool(COUNT.search(earlier))
    low = "".join(whole.split()).lower()
    low = low if low in known.inside | known.ends else word.lower()
    if following[:1].isdigit() and (low in known.numbered or (code == "de" and low.endswith("str"))):
        return True
    if low in known.ends:
        return low in known.inside and not starts and (not counted or len(earlier.split()) < 3)  # "В 1812 г. Наполеон вошёл"
    if low in UNITS and counted:
        return False
    return low in known.inside or _formed(word, starts, counted, code)


def _formed(word: str, starts: bool, counted: bool, code: str) -> bool:
    """Whether a word that no list knows looks like an abbreviation."""
    if UNCUT.search(word[-1:]):
        return True
    if SOLID.search(word) or not word:
        return False
    if sum(unicodedata.category(c)[0] == "L" for c in word) == 1 and not any(c.isdigit() for c in word):
        return word not in SINGLE and not (starts and (counted or word.isupper()))
    return not starts and bool(DOTTED.fullmatch(word) or (code in RULERS and ROMAN.fullmatch(word)) or _unvoiced(word, code))


def _unvoiced(word: str, code: str) -> bool:
    """True for a word that nobody can say, in a script that writes its vowels."""
    low = unicodedata.normalize("NFD", word).lower()
    low = "".join(c for c in low if not unicodedata.combining(c))
    if word.isupper() or len(low) > 5 or low in SPELT or not WRITTEN.fullmatch(low) or VOWELS.search(low):
        return False
    return not (code in SLAVIC and SYLLABIC.search(low))
