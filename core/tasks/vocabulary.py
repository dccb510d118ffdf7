"""The closed vocabulary of the built-in tasks: every word that a grammar may say, and no other."""

from __future__ import annotations

# agreement: (singular, plural)
NOUNS: tuple[tuple[str, str], ...] = (
    ("dog", "dogs"), ("cat", "cats"), ("horse", "horses"), ("bird", "birds"), ("teacher", "teachers"),
    ("farmer", "farmers"), ("doctor", "doctors"), ("boy", "boys"), ("girl", "girls"), ("child", "children"),
    ("woman", "women"))
PLACES: tuple[tuple[str, str], ...] = (
    ("tree", "trees"), ("house", "houses"), ("river", "rivers"), ("bridge", "bridges"))
VERBS: tuple[tuple[str, str], ...] = (
    ("sleeps", "sleep"), ("waits", "wait"), ("laughs", "laugh"), ("walks", "walk"), ("sings", "sing"),
    ("runs", "run"))
TRANSITIVE: tuple[tuple[str, str], ...] = (
    ("sees", "see"), ("likes", "like"), ("follows", "follow"), ("helps", "help"), ("knows", "know"))
COPULA = ("is", "are")
STATES = ("hungry", "tired", "calm", "busy", "ready", "late")
PREPOSITIONS = ("near", "behind", "beside", "with")
DETERMINERS = ("the", "my", "her")
FREQUENCY = ("often", "always", "sometimes", "rarely")

# sentiment
SHOWS = ("film", "book", "play", "story", "ending", "cast")
SOUNDS = ("song", "music", "band")
ROOMS = ("room", "hotel", "bed")
MEALS = ("meal", "soup", "bread")
THINGS = (*SHOWS, *SOUNDS, *ROOMS, *MEALS)
# Praise of one kind of thing, a complaint about another: (for these good, for these bad)
DEPENDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "loud": (SOUNDS, ROOMS), "quiet": (ROOMS, SOUNDS), "hot": (MEALS, ROOMS), "cool": (ROOMS, MEALS)}
GOOD = ("good", "great", "lovely", "funny", "fresh", "clever", "charming", "bright", "warm", "brilliant")
BAD = ("bad", "awful", "dull", "boring", "stale", "silly", "ugly", "weak", "dreary", "clumsy")
INTENSIFIERS = ("very", "really", "quite", "so")
NEGATIONS = ("not", "never", "hardly")
NEUTRAL = ("long", "short", "new", "old", "french")
BELIEVERS = (("i", "think"), ("we", "think"), ("they", "say"), ("people", "say"))
DENIAL = ("do", "not")
CONTRAST = ("but", "although", "and")
WAS = "was"

# entailment: a taxonomy of plural nouns and of verbs, and words that narrow either
QUANTIFIERS = ("all", "most", "some", "no")
NOUN_FAMILIES: dict[str, tuple[str, ...]] = {
    "animals": ("dogs", "cats", "horses", "birds"),
    "adults": ("teachers", "farmers", "doctors", "singers"),
}
VERB_FAMILIES: dict[str, tuple[str, ...]] = {
    "move": ("run", "walk", "jump"),
    "talk": ("shout", "whisper", "sing"),
}
NARROW_NOUN = ("small", "young", "happy", "tired")
NARROW_VERB = ("quickly", "together", "outside")


def words() -> tuple[str, ...]:
    """Every word and mark of the three grammars, sorted, once each."""
    found: set[str] = {
        "that", WAS, ",", *COPULA, *STATES, *PREPOSITIONS, *DETERMINERS, *FREQUENCY, *THINGS, *GOOD, *BAD, *DEPENDS,
        *INTENSIFIERS, *NEGATIONS, *NEUTRAL, *DENIAL, *CONTRAST, *QUANTIFIERS, *NARROW_NOUN, *NARROW_VERB}
    for pairs in (NOUNS, PLACES, VERBS, TRANSITIVE, BELIEVERS):
        found.update(word for pair in pairs for word in pair)
    for families in (NOUN_FAMILIES, VERB_FAMILIES):
        found.update(families, *families.values())
    return tuple(sorted(found))
