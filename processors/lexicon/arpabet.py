"""ARPAbet beside the IPA that espeak writes for American English."""

# espeak token without stress marks -> CMUdict phones. Vowels with an r behind are one token for espeak, two phones here.
FROM_ESPEAK: dict[str, str] = {
    "iː": "IY", "i": "IY", "ɪ": "IH", "ᵻ": "IH", "eɪ": "EY", "ɛ": "EH", "e": "EH", "æ": "AE", "a": "AE", "aː": "AA", "ɑː": "AA",
    "ɑ": "AA", "ɔː": "AO", "ɔ": "AO", "ɒ": "AA", "oː": "AO", "oʊ": "OW", "ʊ": "UH", "uː": "UW", "u": "UW", "ʌ": "AH", "ɐ": "AH",
    "ə": "AH", "ɜː": "ER", "ɚ": "ER", "aɪ": "AY", "aʊ": "AW", "ɔɪ": "OY", "iə": "IY AH", "aɪə": "AY AH", "aɪɚ": "AY ER",
    "ɪɹ": "IH R", "ɛɹ": "EH R", "ɑːɹ": "AA R", "ɔːɹ": "AO R", "oːɹ": "AO R", "ʊɹ": "UH R", "əl": "AH L", "n̩": "AH N",
    "m̩": "AH M", "ææ": "AE", "b": "B", "d": "D", "f": "F", "ɡ": "G", "h": "HH", "j": "Y", "k": "K", "l": "L", "m": "M", "n": "N",
    "p": "P", "ɹ": "R", "r": "R", "s": "S", "t": "T", "v": "V", "w": "W", "z": "Z", "ð": "DH", "θ": "TH", "ŋ": "NG", "ʃ": "SH",
    "ʒ": "ZH", "tʃ": "CH", "dʒ": "JH", "ɾ": "T", "ʔ": "T", "x": "K", "ɬ": "L",
}  # fmt: skip
VOWELS = frozenset({"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"})


def from_espeak(token: str, *, stress: bool = False) -> list[str]:
    """The phones of one espeak token, such as "ˈɑːɹ" -> ["AA1", "R"]. Raises ValueError for a sound English lacks."""
    plain = token.strip("ˈˌ")
    if plain not in FROM_ESPEAK:
        raise ValueError(f"espeak's {token!r} has no ARPAbet phone: give the word a line in the lexicon, or use g2p \"espeak\".")
    phones = FROM_ESPEAK[plain].split()
    if not stress:
        return phones
    degree = _degree(token)
    for place, phone in enumerate(phones):
        if phone in VOWELS:
            phones[place] = phone + degree
            degree = "0"  # the first vowel bears the stress
    return phones


def _degree(token: str) -> str:
    """The stress of an espeak token: 1 is the main one, 2 the second."""
    if "ˈ" in token:
        return "1"
    return "2" if "ˌ" in token else "0"
