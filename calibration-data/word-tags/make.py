"""Writes train.npz and test.npz beside this file: sentences of a small grammar, a tag for each word.

    python3 -m venv venv && venv/bin/pip install numpy==2.3.5 && venv/bin/python make.py

Running it again gives the same bytes: the draws are seeded, and the archives carry neither the time nor the machine.
(Another zlib may compress to other bytes of the same arrays.)
"""

import io
import pathlib
import zipfile

import numpy

SEED = 0
TRAIN, TEST = 2000, 500
STEPS = 14

TAGS = ["none", "determiner", "adjective", "noun", "verb", "auxiliary", "adverb", "preposition", "pronoun", "conjunction"]
# A word may be listed under several tags: what it is depends on the words before.
WORDS = {
    "determiner": ["the", "a", "this", "every", "some", "no"],
    "adjective": ["old", "small", "quiet", "red", "strange", "happy", "cold", "heavy", "light", "fast"],
    "noun": ["dog", "cat", "teacher", "river", "garden", "city", "letter", "friend", "fish", "walk", "watch", "plant", "park",
             "cook", "visit", "paint", "call", "hand", "can", "will", "light"],
    "verb": ["see", "find", "remember", "follow", "forget", "fish", "walk", "watch", "plant", "park", "cook", "visit", "paint",
             "call", "hand", "light"],
    "auxiliary": ["can", "will", "may", "must"],
    "adverb": ["today", "often", "again", "slowly", "fast"],
    "preposition": ["in", "near", "behind", "with", "without"],
    "pronoun": ["they", "we", "you", "them", "us"],
    "conjunction": ["and", "or"],
}
VOCABULARY = sorted({word for words in WORDS.values() for word in words})
INDEX = {word: index + 1 for index, word in enumerate(VOCABULARY)}


class Grammar:
    def __init__(self, seed):
        # NumPy promises that RandomState gives the same numbers in every version, unlike its newer generators.
        self.random = numpy.random.RandomState(seed)

    def chance(self, percent):
        return self.random.randint(100) < percent

    def word(self, tag):
        return [(WORDS[tag][self.random.randint(len(WORDS[tag]))], tag)]

    def noun_phrase(self, depth=0):
        words = self.word("determiner")
        while self.chance(30):
            words += self.word("adjective")
        words += self.word("noun")
        if self.chance(15):
            words += self.word("conjunction") + self.word("noun")
        if depth < 1 and self.chance(15):
            words += self.word("preposition") + self.noun_phrase(depth + 1)
        return words

    def verb_phrase(self):
        words = self.word("auxiliary") if self.chance(50) else []
        words += self.word("verb")
        if self.chance(20):
            words += self.word("conjunction") + self.word("verb")
        elif self.chance(75):
            words += self.noun_phrase()
            if self.chance(20):
                words += self.word("preposition") + self.noun_phrase(1)
        return words + self.word("adverb") if self.chance(30) else words

    def sentence(self):
        while True:
            subject = self.word("pronoun") if self.chance(35) else self.noun_phrase()
            words = subject + self.verb_phrase()
            if len(words) <= STEPS:
                return words


def write_npz(path, **arrays):
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            data = io.BytesIO()
            numpy.save(data, array)
            archive.writestr(entry, data.getvalue(), compresslevel=9)


def main():
    grammar = Grammar(SEED)
    sentences = {}
    while len(sentences) < TRAIN + TEST:
        sentence = grammar.sentence()
        sentences[tuple(word for word, _ in sentence)] = sentence
    x, tags = numpy.zeros((2, TRAIN + TEST, STEPS), "u1")
    for row, sentence in enumerate(sentences.values()):
        for step, (word, tag) in enumerate(sentence):
            x[row, step], tags[row, step] = INDEX[word], TAGS.index(tag)
    folder = pathlib.Path(__file__).parent
    write_npz(folder / "train.npz", x=x[:TRAIN], tags=tags[:TRAIN])
    write_npz(folder / "test.npz", x=x[TRAIN:], tags=tags[TRAIN:])
    (folder / "words.txt").write_text("".join(f"{word}\n" for word in ["-"] + VOCABULARY))
    (folder / "tags.txt").write_text("".join(f"{tag}\n" for tag in TAGS))


if __name__ == "__main__":
    main()
