"""Write the recipe of the generalist adapter, and the data that it is trained on.

``python -m tests.benchmarks.generalist DATA OUT`` writes ``OUT/data/*/train.jsonl`` and ``OUT/recipe.json``. Then

    python -m sam_hub.training OUT/recipe.json BASE OUT/ner-generalist OUT/data

General sets alone, none that an expert of a domain uses. What is done to them:

- *Finer types.* Some types join several things ("song or album"). Where a word of the mention or of its sentence says
  which, the entity gets the finer type; a sentence with an entity that can't be told is left out of the refined set.
- *Closed sentences.* A part of Few-NERD leaves names of the other parts' types unmarked, so "person" would be wrong in
  it: some persons are marked and others not. In a closed sentence every capitalised word is in a marked mention, so all
  names are marked and broad types may be asked for. Label lists of the parts are never mixed.
- *Broader types.* An entity whose type is not asked for is answered under the broader type, where that one is asked.
- *Case.* MultiCoNER is in lower case; names of half its sentences are capitalised.
- *Balance.* Of each Wikipedia set, sentences are taken until every type has enough: else most would be of places.
- *Services.* A turn of SGD is asked for the slots of its own service alone.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

SEED = 0
PARTS = ("a", "b", "c")

# What no Wikipedia or news sentence of these sets holds.
ABSENT = [
    "recipe step", "email address", "hashtag", "variable name", "file name", "dosage", "job skill", "user name",
    "laboratory equipment", "flight number", "product code", "password", "line of code", "clothing size",
]  # fmt: skip
ABSENT_IN_DIALOGUE = ["chemical compound", "gene", "battle", "river", "political party", "species", "weapon", "planet"]

COUNTRIES = """Afghanistan Albania Algeria Andorra Angola Argentina Armenia Australia Austria Azerbaijan Bahamas Bahrain
Bangladesh Barbados Belarus Belgium Belize Benin Bhutan Bolivia Bosnia Botswana Brazil Brunei Bulgaria Burma Burundi
Cambodia Cameroon Canada Chad Chile China Colombia Croatia Cuba Cyprus Czechoslovakia Denmark Djibouti Dominica Ecuador
Egypt England Eritrea Estonia Ethiopia Fiji Finland France Gabon Gambia Germany Ghana Greece Grenada Guatemala Guinea
Guyana Haiti Honduras Hungary Iceland India Indonesia Iran Iraq Ireland Israel Italy Jamaica Japan Jordan Kazakhstan
Kenya Kosovo Kuwait Kyrgyzstan Laos Latvia Lebanon Lesotho Liberia Libya Liechtenstein Lithuania Luxembourg Madagascar
Malawi Malaysia Maldives Mali Malta Mauritania Mauritius Mexico Moldova Monaco Mongolia Montenegro Morocco Mozambique
Myanmar Namibia Nepal Netherlands Nicaragua Niger Nigeria Norway Oman Pakistan Palestine Panama Paraguay Peru
Philippines Poland Portugal Prussia Qatar Romania Russia Rwanda Samoa Scotland Senegal Serbia Seychelles Singapore
Slovakia Slovenia Somalia Spain Sudan Suriname Sweden Switzerland Syria Taiwan Tajikistan Tanzania Thailand Tibet Togo
Tonga Tunisia Turkey Turkmenistan Uganda Ukraine Uruguay Uzbekistan Vanuatu Venezuela Vietnam Wales Yemen Yugoslavia
Zambia Zimbabwe U.S. US USA U.S.A. UK U.K. USSR""".split() + [
    "Antigua and Barbuda", "Bosnia and Herzegovina", "Burkina Faso", "Cape Verde", "Costa Rica", "Czech Republic",
    "Dominican Republic", "East Germany", "El Salvador", "Great Britain", "Britain", "Ivory Coast", "Marshall Islands",
    "New Zealand", "North Korea", "North Macedonia", "Papua New Guinea", "Saudi Arabia", "Sierra Leone",
    "Solomon Islands", "South Africa", "South Korea", "Soviet Union", "Sri Lanka", "Trinidad and Tobago",
    "United Arab Emirates", "United Kingdom", "United States", "United States of America", "West Germany",
]  # fmt: skip
STATES = """Alabama Alaska Arizona Arkansas California Colorado Connecticut Delaware Florida Hawaii Idaho Illinois Indiana
Iowa Kansas Kentucky Louisiana Maine Maryland Massachusetts Michigan Minnesota Mississippi Missouri Montana Nebraska
Nevada Ohio Oklahoma Oregon Pennsylvania Tennessee Texas Utah Vermont Virginia Wisconsin Wyoming Ontario Alberta
Manitoba Saskatchewan Queensland Tasmania Bavaria Saxony Maharashtra Karnataka Kerala Gujarat Punjab Bihar""".split() + [
    "New Hampshire", "New Jersey", "New Mexico", "North Carolina", "North Dakota", "Rhode Island", "South Carolina",
    "South Dakota", "West Virginia", "British Columbia", "Nova Scotia", "New Brunswick", "New South Wales",
    "Tamil Nadu", "Uttar Pradesh", "Andhra Pradesh", "West Bengal",
]  # fmt: skip
ELEMENTS = """hydrogen helium lithium beryllium boron carbon nitrogen oxygen fluorine neon sodium magnesium aluminium
aluminum silicon phosphorus sulfur sulphur chlorine argon potassium calcium scandium titanium vanadium chromium manganese
iron cobalt nickel copper zinc gallium germanium arsenic selenium bromine krypton rubidium strontium yttrium zirconium
niobium molybdenum technetium ruthenium rhodium palladium silver cadmium indium tin antimony tellurium iodine xenon
caesium cesium barium lanthanum cerium neodymium samarium europium gadolinium terbium dysprosium holmium erbium thulium
ytterbium lutetium hafnium tantalum tungsten rhenium osmium iridium platinum gold mercury thallium lead bismuth polonium
astatine radon francium radium actinium thorium protactinium uranium neptunium plutonium americium curium""".split()


def _listed(names: Iterable[str], prefix: str = "(?:the )?") -> str:
    return rf"^{prefix}(?:{'|'.join(map(re.escape, names))})$"


# Type: the finer types, each with what says so in the mention ("in") or in its sentence ("by"). `None` among them: an
# entity that none of them claims keeps its type; without it, such an entity can't be told.
CREATORS = {
    "writer": {"by": r"novelist|poets?|author|authors|writers?|essayist|playwright|novels?|poems?|poetry|wrote|books?|memoir|literary"},
    "musician": {"by": r"singers?|songwriter|rapper|guitarist|drummer|pianist|composers?|composed|bands?|albums?|songs?|musicians?|vocals|vocalist|concerts?|concerto|symphony|opera"},
    "visual artist": {"by": r"painters?|paintings?|painted|sculptors?|sculptures?|photographer|illustrator|fresco|drawings?|portraits?"},
}  # fmt: skip
MUSIC = {
    "song": {"by": r"songs?|singles?|ballad|lyrics|sung|sang|tune"},
    "album": {"by": r"albums?|LP|EP|ep|lp|soundtrack"},
}
WRITING = {
    "book": {"by": r"novels?|books?|memoirs?|textbook|paperback|monograph"},
    "poem": {"by": r"poems?|poetry|epic|verse"},
    "magazine": {"by": r"magazines?|monthly|Magazine"},
    "newspaper": {"by": r"newspapers?|daily|Times|Herald|Gazette|Tribune"},
    "academic journal": {"by": r"journals?|Journal"},
    "play": {"by": r"plays?|playwright|drama|tragedy"},
    "comic": {"by": r"comics?|manga"},
}
SCREEN = {
    "film": {"by": r"films?|movies?|cinema|filmmaker|screenplay"},
    "television series": {"by": r"series|television|tv|TV|sitcom|episodes?|season|show"},
}
FINER = {
    "artist or author": CREATORS,
    "artist": {**CREATORS, "actor": {"by": r"actors?|actress|starring|starred|stars|cast|films?|movie|television"}},
    "song or album": MUSIC,
    "musical work": MUSIC,
    "written work": WRITING,
    "film or television work": SCREEN,
    "newspaper or media company": {
        "newspaper": {"by": r"newspapers?|Times|Herald|Gazette|Tribune|Daily|Post"},
        "magazine": {"by": r"magazines?|Magazine|Weekly"},
        "television or radio station": {"by": r"television|TV|radio|channel|network|station|FM|broadcasts?|aired"},
        "publisher": {"by": r"publishers?|publishing|Press|Books|Publishing"},
    },
    "university or school": {
        "university": {"in": r"Universi\w+|College|Institute|Polytechnic"},
        "school": {"in": r"School|Academy|High|Gymnasium"},
    },
    "country, state or city": {
        "country": {"in": _listed(COUNTRIES)},
        "state or province": {"in": _listed(STATES)},
        None: {},
    },
    "road or railway": {
        "road": {"in": r"Road|Street|Avenue|Highway|Route|Interstate|Boulevard|Parkway|Lane|Drive|Freeway|Motorway"},
        "railway": {"in": r"Railway|Railroad|Line|Rail|Metro|Subway|Station"},
    },
    "battle, war or attack": {
        "battle": {"in": r"Battle|Siege|battle|siege"},
        "war": {"in": r"War|Wars|war|wars|Revolt|Rebellion"},
        "military operation": {"in": r"Operation|Raid|Attack|Invasion|Campaign|attacks?|Massacre|bombing"},
    },
    "chemical substance": {"chemical element": {"in": f"(?i){_listed(ELEMENTS, '')}"}, None: {}},
    "gene, protein or other biological thing": {"enzyme": {"in": r"\w+ases?"}, None: {}},
}

# Type: the broader one under which its entities are answered where the type itself is not asked for.
BROADER = {
    "person": [
        "artist", "artist or author", "politician", "soldier", "director", "scholar or scientist", "athlete",
        "scientist", "cleric", "sports manager", "coach", "doctor", "architect", "religious leader", "monarch",
        "terrorist",
    ],
    "artist": ["author", "musician", "actor", "director"],
    "organization": [
        "company", "newspaper or media company", "university or school", "educational institution", "sports team",
        "sports league", "government agency", "political party", "religious organization", "band or show group",
        "musical group", "music group", "military unit", "terrorist organization", "broadcast network", "government",
        "news agency", "academic department", "fraternity or sorority",
    ],
    "company": ["public company", "private company", "car manufacturer", "aerospace manufacturer"],
    "location": [
        "country, state or city", "island", "mountain", "body of water", "human settlement", "facility", "city",
        "country", "province", "county", "glacier", "park", "station",
    ],
    "building": [
        "airport", "sports facility", "hotel", "restaurant", "library", "hospital", "theater", "dam", "power station",
    ],
    "creative work": [
        "film", "broadcast program", "written work", "song or album", "film or television work", "musical work",
        "artwork", "painting", "play",
    ],
    "product": [
        "software", "airplane", "ship", "car", "weapon", "vehicle", "clothing", "camera", "mobile phone",
        "computer hardware", "engine", "toy", "spacecraft", "game",
    ],
    "event": [
        "battle, war or attack", "disaster", "protest", "election", "sports event", "military attack",
        "natural disaster", "holiday name",
    ],
    "medical condition": ["disease", "symptom"],
    "food or drink": ["food", "drink"],
    "living thing": ["animal"],
}  # fmt: skip
OTHER = {f"other {kind}": kind for kind in ("person", "organization", "location", "building", "product", "event")}
OTHER["other creative work"] = "creative work"

# Other words for the same thing.
NAMES = {
    "person": ["name of a person", "individual", "people"],
    "organization": ["organisation", "institution or group"],
    "location": ["place", "geographical location"],
    "creative work": ["work of art or entertainment"],
    "building": ["building or facility"],
    "event": ["named event"],
    "product": ["product name"],
    "writer": ["author"],
    "author": ["writer"],
    "artist or author": ["artist", "artist, musician or writer", "creative person"],
    "musician": ["musical artist", "music artist", "singer or musician"],
    "visual artist": ["painter or sculptor"],
    "song or album": ["musical work", "music", "piece of music"],
    "musical work": ["song or album", "piece of music"],
    "album": ["music album", "record"],
    "song": ["song title"],
    "band or show group": ["band", "musical group", "performing group"],
    "musical group": ["band", "music group"],
    "music group": ["band", "musical group"],
    "instrument": ["musical instrument"],
    "scholar or scientist": ["scientist", "researcher", "scholar", "academic"],
    "scientist": ["researcher", "scholar"],
    "written work": ["publication", "literary work", "book or other text"],
    "book": ["book title", "novel"],
    "academic journal": ["journal", "scientific journal"],
    "newspaper or media company": ["media organization", "media company"],
    "television or radio station": ["broadcaster"],
    "university or school": ["educational institution", "school or university"],
    "educational institution": ["university or school", "school"],
    "academic discipline": ["discipline", "field of study"],
    "chemical substance": ["chemical", "chemical element or compound", "substance"],
    "chemical element": ["element"],
    "gene, protein or other biological thing": ["gene or protein", "biological entity"],
    "astronomical object": ["celestial body", "celestial object", "star or planet"],
    "country, state or city": ["geopolitical entity", "geo-political entity"],
    "country": ["nation", "sovereign state"],
    "city": ["town or city"],
    "human settlement": ["city or town", "settlement"],
    "battle, war or attack": ["military conflict", "armed conflict"],
    "military attack": ["battle, war or attack", "military conflict"],
    "software": ["software product", "computer program"],
    "film": ["movie", "film title"],
    "film or television work": ["film or TV series", "movie or TV show"],
    "director": ["film director", "film maker"],
    "award": ["prize"],
    "election": ["vote"],
    "government agency": ["government body", "public authority"],
    "religious organization": ["religion", "church or religion"],
    "broadcast program": ["TV show", "television program"],
    "television series": ["TV series", "TV show"],
    "company": ["corporation", "business"],
    "sports team": ["team", "club"],
    "athlete": ["sports player", "sportsperson"],
    "politician": ["political figure", "statesman"],
    "cleric": ["religious leader", "member of the clergy"],
    "living thing": ["species", "organism", "animal or plant"],
    "medical thing": ["medical term", "drug or treatment"],
    "medication or vaccine": ["drug", "medicine"],
    "disease": ["illness", "disorder"],
    "anatomical structure": ["body part"],
    "body part": ["anatomical structure"],
    "god": ["deity"],
    "law": ["law or treaty", "legal document"],
    "theater": ["theatre"],
    "body of water": ["river, lake or sea"],
    "sports event": ["sports competition", "tournament"],
    "sports league": ["league"],
    "weapon": ["arms"],
    "car": ["car model", "automobile"],
    "airplane": ["aircraft"],
    "ship": ["vessel"],
    "language": ["human language"],
    "soldier": ["military person"],
    "educational degree": ["academic degree"],
    "location of an event": ["venue"],
    "job title": ["position", "occupation"],
    "ethnic group": ["nationality or ethnic group", "people or nationality"],
    "algorithm": ["method", "technique"],
    "province": ["state or province"],
    "particle": ["subatomic particle"],
    "biomolecule": ["protein or other biomolecule"],
    "animal": ["named animal"],
    # slots of SGD
    "date": ["day"],
    "event date": ["date of the event"],
    "event time": ["time of the event"],
    "venue": ["place of the event"],
    "rent": ["monthly price"],
    "visit date": ["date of the visit"],
    "phone number": ["telephone number"],
    "departure time": ["time of leaving"],
    "departure date": ["date of leaving"],
    "arrival time": ["time of arrival"],
    "hotel": ["name of a hotel"],
    "tourist attraction": ["sight", "attraction"],
    "price": ["cost"],
    "address": ["street address"],
    "rating": ["number of stars"],
    "fare": ["ticket price"],
    "recipient name": ["receiver of the money"],
    "amount": ["sum of money"],
}

# Words that are written with a capital and are no name of the kind that is marked.
FREE = set(
    """I January February March April May June July August September October November December Monday Tuesday Wednesday
Thursday Friday Saturday Sunday Mr Mr. Mrs Mrs. Ms. Dr. Dr Sir Lady Lord King Queen Prince Princess President Prime Minister
Professor Captain General Colonel Saint St. BC AD B.C. A.D. Internet Earth TV CD DVD""".split()
)
DEMONYM = re.compile(r"(?:[A-Z][a-z]+(?:ish|ian|ese|ean|can|wegian)s?|German|French|Dutch|Greek|Swiss|Welsh|Irish|Korean|Thai|Czech|Iraqi|Israeli|Pakistani)s?")  # fmt: skip
SMALL = {"of", "the", "and", "in", "on", "at", "for", "de", "la", "le", "du", "von", "van", "der", "a", "an", "to", "by", "'s", "et", "al", "del"}  # fmt: skip
COMMON_NOUNS = {
    "anatomical structure", "food", "disease", "medication or vaccine", "medical procedure", "symptom", "drink",
    "clothing", "product", "vehicle",
}  # fmt: skip


def read(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def mention(line: dict, span: list) -> str:
    return " ".join(line["tokens"][span[0] : span[1]])


def renamed(lines: Iterable[dict], names: dict[str, str]) -> list[dict]:
    return [{**line, "spans": [[a, b, names.get(t, t)] for a, b, t in line["spans"]]} for line in lines]


def refined(lines: Iterable[dict]) -> list[dict]:
    """The sentences whose types can be told finely, in finer types; those with none of such types stay as they are."""
    kept = []
    for line in lines:
        spans = [[a, b, finer_type(line, [a, b, t])] for a, b, t in line["spans"]]
        if all(t for _, _, t in spans):
            kept.append({**line, "spans": spans})
    return kept


def finer_type(line: dict, span: list) -> str | None:
    """The finer type of an entity, its own type if that has no finer ones, None if it can't be told."""
    kind = span[2]
    if kind not in FINER:
        return kind
    inside, text = mention(line, span), " ".join(line["tokens"])
    told = [
        fine
        for fine, signs in FINER[kind].items()
        if ("in" in signs and re.search(_whole(signs["in"]), inside))
        or ("by" in signs and re.search(_whole(signs["by"]), text))
    ]
    if len(told) == 1:
        return told[0]
    return kind if not told and None in FINER[kind] else None


def _whole(words: str) -> str:
    return words if words.startswith(("^", "(?i)")) else rf"\b(?:{words})\b"


def closed(lines: list[dict], common: set[str]) -> list[dict]:
    """The sentences in which every name is marked, as far as capitals show."""
    return [line for line in lines if not any(_unmarked_names(line, common))]


def _unmarked_names(line: dict, common: set[str]) -> Iterator[bool]:
    marked = {i for a, b, _ in line["spans"] for i in range(a, b)}
    begins = True
    for i, token in enumerate(line["tokens"]):
        if token[:1].isupper() and i not in marked and token not in FREE and not DEMONYM.fullmatch(token):
            yield not (begins and token.lower() in common)
        begins = not any(c.isalnum() for c in token)


def balanced(lines: list[dict]) -> list[dict]:
    """The sentences, shuffled, without those whose types all have enough sentences already."""
    most = max(100, 4000 // len({kind for line in lines for _, _, kind in line["spans"]}))
    counts, kept = Counter(), []
    for line in random.Random(SEED).sample(lines, len(lines)):
        kinds = {kind for _, _, kind in line["spans"]}
        if any(counts[kind] < most for kind in kinds):
            counts.update(kinds)
            kept.append(line)
    return kept


def capitalised(lines: Iterable[dict], chance: random.Random) -> list[dict]:
    """Half of the sentences with capitals where a sentence or a name begins, the others as they are."""
    made = []
    for line in lines:
        tokens = list(line["tokens"])
        if chance.random() < 0.5:
            for a, b, kind in line["spans"]:
                for i in range(a, b):
                    if kind not in COMMON_NOUNS and (i == a or tokens[i] not in SMALL):
                        tokens[i] = tokens[i][:1].upper() + tokens[i][1:]
            tokens = [t if not _is_free(t) else t.capitalize() for t in tokens]
            tokens[0] = tokens[0][:1].upper() + tokens[0][1:]
        made.append({**line, "tokens": tokens})
    return made


def _is_free(word: str) -> bool:
    capital = word.capitalize()
    demonym = len(word) > 5 and re.fullmatch(r"[A-Z][a-z]+(?:nian|rian|lian|sian|nese|ench|erman|rican)", capital)
    return word != "may" and word != "march" and (word == "i" or capital in MONTHS or bool(demonym))


MONTHS = {word for word in FREE if word.endswith(("ber", "ary", "day", "April", "June", "July", "August"))}


class Recipe:
    """Collects sources: writes their folders, and keeps what the recipe says of them."""

    def __init__(self, out: Path) -> None:
        self.out, self.data = out, []

    def add(
        self,
        name: str,
        lines: list[dict],
        origin: Path,
        share: float,
        *,
        was: Iterable[str] = (),
        broad: bool = False,
        absent: Iterable[str] = ABSENT,
    ) -> None:
        """One source.

        Args:
            was: the types of the set before they were refined.
            broad: all names are marked, so broad types may be asked for.
        """
        folder = self.out / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        plain = ({"tokens": line["tokens"], "spans": line["spans"]} for line in lines)
        rows = [json.dumps(line, ensure_ascii=False) + "\n" for line in plain]
        (folder / "train.jsonl").write_text("".join(rows), encoding="utf-8")
        (folder / "meta.json").write_bytes((origin / "meta.json").read_bytes())
        kinds = {kind for line in lines for _, _, kind in line["spans"]}
        broader = broader_types(kinds, set(was), broad)
        labels = sorted({*kinds, *broader.values()})
        taken = {label.casefold() for label in labels}
        names = {}
        for label in labels:
            if own := [other for other in NAMES.get(label, ()) if other not in taken]:
                names[label] = own
                taken.update(own)
        distractors = [label for label in absent if label not in taken]
        self.data.append(
            {"folder": name, "share": share, "names": names, "broader": broader, "distractors": distractors}
        )
        print(f"{name:22} share {share:<5} {len(lines):6} sentences, {len(labels):3} labels")


def broader_types(kinds: set[str], was: set[str], broad: bool) -> dict[str, str]:
    """The broader type of each type: what it was before it was refined; then, if all names are marked, a general one."""
    broader = {fine: kind for kind in FINER if kind in was for fine in FINER[kind] if fine in kinds - was}
    todo = sorted({*kinds, *broader.values()} - set(broader)) if broad else []
    for kind in todo:
        above = PARENT.get(kind)
        while above and above not in ROOTS | kinds:
            above = PARENT.get(above)
        if above:
            broader[kind] = above
            if above not in todo and above not in broader:
                todo.append(above)
    return broader


PARENT = {kind: above for above, kinds in BROADER.items() for kind in kinds}
ROOTS = set(BROADER) - {"artist", "living thing"}


def make(shared: Path, out: Path, examples: int) -> None:
    """Write data and recipe."""
    sources, recipe = shared / "sources", Recipe(out)
    folders = {part: sources / f"wikipedia__fewnerd_{part}" for part in PARTS}
    parts = {part: read(folder / "train.jsonl") for part, folder in folders.items()}
    words = Counter(token for lines in parts.values() for line in lines for token in line["tokens"])
    common = {word for word, count in words.items() if count >= 5 and word.islower()}
    for part, lines in parts.items():
        folder, was = folders[part], {kind for line in lines for _, _, kind in line["spans"]}
        shares = SHARES[part]
        fine = refined(lines)
        recipe.add(f"fewnerd_{part}", balanced(lines), folder, shares[0])
        if fine != lines:
            recipe.add(f"fewnerd_{part}_fine", balanced(fine), folder, shares[1], was=was)
        recipe.add(
            f"fewnerd_{part}_closed",
            balanced(renamed(closed(fine, common), OTHER)),
            folder,
            shares[2],
            was=was,
            broad=True,
        )
    folder = sources / "wikipedia__multiconer2_en"
    lines = renamed(read(folder / "train.jsonl"), OTHER)
    was = {kind for line in lines for _, _, kind in line["spans"]}
    lines = capitalised(lines, random.Random(SEED))
    recipe.add("multiconer2", balanced(lines), folder, 1.0, broad=True)
    recipe.add("multiconer2_fine", balanced(refined(lines)), folder, 1.0, was=was, broad=True)
    for name, share in (("wikipedia__wfb1k", 1.2), ("news__figer_gold", 0.3)):
        folder = sources / name
        recipe.add(name, read(folder / "train.jsonl"), folder, share, broad=True)
    for name in ("services__sgd", "travel__sgd"):
        lines = read(sources / name / "train.jsonl")
        for service in sorted({line["service"] for line in lines}):
            turns = [line for line in lines if line["service"] == service]
            if len({kind for line in turns for _, _, kind in line["spans"]}) > 1:
                recipe.add(f"sgd_{service}", turns, sources / name, 0.08, absent=ABSENT_IN_DIALOGUE)
    plain = {
        "name": "ner-generalist",
        "domain": "general",
        "data": recipe.data,
        "examples": examples,
        "empty_share": 0.15,
        "max_tokens": 160,
        "label_dropout": 0.45,
        "most_labels": 24,
        "most_distractors": 3,
        "pack": 8,
        "rank": 32,
        "alpha": 64,
        "learning_rate": 8e-4,
        "seed": SEED,
    }
    (out / "recipe.json").write_text(json.dumps(plain, indent=1, ensure_ascii=False), encoding="utf-8")


SHARES = {"a": (1.0, 1.0, 1.3), "b": (0.8, 0.4, 0.8), "c": (0.8, 0.8, 1.0)}  # plain, refined, refined and closed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shared", type=Path, help="the folder that holds `sources`")
    parser.add_argument("out", type=Path)
    parser.add_argument("--examples", type=int, default=20000)
    given = parser.parse_args()
    make(given.shared, given.out, given.examples)


if __name__ == "__main__":
    main()
