"""Words that were heard beside words that were said, and what they come to."""

import json
import re
import subprocess

ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen \
seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
SAME = {"mr": "mister", "mrs": "missus", "ctrl": "control", "metres": "meters", "ok": "okay", "esc": "escape"}


def number(digits):
    value = int(digits)
    if value < 20:
        return [ONES[value]]
    if value < 100:
        return [TENS[value // 10 - 2], *([ONES[value % 10]] if value % 10 else [])]
    return [ONES[int(digit)] for digit in digits]


def words(text):
    """The words of a text, however they are written: in lower case, without punctuation, numbers and spelled-out
    letters in one way.

    >>> words("Run L S -la."), words("run ls dash L A")
    (['run', 'ls', 'dash', 'la'], ['run', 'ls', 'dash', 'la'])
    >>> words("10 of Clubs; 42!"), words("cat readme.md")
    (['ten', 'of', 'clubs', 'forty', 'two'], ['cat', 'readme', 'dot', 'md'])
    """
    text = re.sub(r"(?<=\w)\.(?=\w)", " dot ", text.lower().replace("’", "'"))
    text = re.sub(r"(?<=\s)-+(?=\w)", " dash ", text)
    found = []
    letters = False
    for word in re.findall(r"[a-z']+|\d+", text):
        word = word.strip("'").replace("'", "")
        if not word:
            continue
        if letters and len(word) == 1:
            found[-1] += word
            continue
        if word.isdigit():
            found += number(word)
        else:
            found.append(SAME.get(word, word))
        # What may be a word of its own begins no spelling.
        letters = len(word) == 1 and word not in "ai"
    return found


def distance(said, heard):
    """The least number of words to change, add and leave out.

    >>> distance("split the pane right".split(), "spit pane right now".split())
    3
    """
    row = list(range(len(heard) + 1))
    for at, word in enumerate(said, 1):
        last, row[0] = row[0], at
        for to, other in enumerate(heard, 1):
            last, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, last + (word != other))
    return row[-1]


def alike(value):
    """A meaning without what can't be heard: capitals, and punctuation in what is dictated."""
    if isinstance(value, dict):
        return {key: alike(inner) for key, inner in value.items()}
    return re.sub(r"[.,!?]+$", "", value.lower()) if isinstance(value, str) else value


class Meanings:
    """What a binary's grammar makes of words."""

    def __init__(self, program):
        """`program` is the command line up to the subcommand."""
        self.program = program
        self.known = {}

    def of(self, text):
        if not text.strip():
            return None
        if text not in self.known:
            command = [*self.program, "interpret", "--spoken", "--json", "--", text]
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            self.known[text] = json.loads(done.stdout) if done.returncode == 0 else None
        return self.known[text]

    def right(self, heard, means):
        found = self.of(heard)
        if found is None:
            return False
        found = {key: value for key, value in found.items() if value is not None}
        return all(alike(found.get(key)) == alike(value) for key, value in means.items()) and not (
            found.keys() - means.keys() - {"verdict", "consequence", "reason", "corrections"}
        )


class Score:
    """Sums over recordings."""

    def __init__(self):
        self.errors = self.words = self.right = self.commands = 0

    def add(self, recording, heard, meanings):
        said = words(recording["words"])
        self.errors += distance(said, words(heard))
        self.words += len(said)
        if recording["means"] is not None:
            self.commands += 1
            self.right += meanings.right(heard, recording["means"])

    def plus(self, other):
        total = Score()
        for field in ("errors", "words", "right", "commands"):
            setattr(total, field, getattr(self, field) + getattr(other, field))
        return total

    @property
    def word_error_rate(self):
        return self.errors / self.words if self.words else None

    @property
    def accuracy(self):
        return self.right / self.commands if self.commands else None
