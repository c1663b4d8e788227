"""The recordings that are measured with: commands by synthetic voices, clean and in noise, and people.

    recordings.py --binary PATH [--out DIR]

Everything is 16 kHz, mono, 16 bit, at the same loudness, with a little silence (or noise) before and a second after
it, as a microphone would have it. What is there already is not made again. Noise comes from fixed seeds; so do the
voices but for Piper's, which never says a thing twice in the same way, so that its recordings are kept with the rest.
"""

import argparse
import json
import subprocess
import tempfile
import tomllib
import wave
import zlib
from pathlib import Path

import numpy as np

from accuracy import program

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".cache" / "bench" / "recordings"
PEOPLE = Path("/usr/share/pocketsphinx/test/data")
RATE = 16_000
SEED = 20_261_124
# Where the speech, without the pauses in it, is; there is headroom for the noise above it.
LOUDNESS = 10 ** (-26 / 20)
LEAD, TAIL = 0.5, 1.0
NOISES = ("white", "babble")
RATIOS = (20, 10, 5)
TALKERS = 8


def flite(name):
    return lambda words, wav, _: ["flite", "-voice", name, "-t", words, "-o", wav]


VOICES = {
    "slt": flite("slt"),
    "rms": flite("rms"),
    "kal": lambda words, wav, _: ["text2wave", "-eval", "(voice_kal_diphone)", "-o", wav],
    "espeak": lambda words, wav, _: ["espeak-ng", "-v", "en-us", "-s", "150", "-w", wav, "--", words],
    "piper": lambda words, wav, program: [
        *[*program, "--set", "speech.tts.chain=local-neural", "say", "--out", wav, "--", words],
    ],
}
# Festival takes the words from its input.
READS_INPUT = {"kal"}


def conditions():
    """Every noise and ratio in dB, and none."""
    return [("clean", None), *((noise, ratio) for noise in NOISES for ratio in RATIOS)]


def condition_name(noise, ratio):
    return noise if ratio is None else f"{noise}-{ratio}"


def aloud(phrase):
    return phrase.get("aloud", phrase["say"])


def phrases():
    return tomllib.loads((HERE / "phrases.toml").read_text())["phrase"]


def read(path):
    """A wav file of any rate, or raw samples at 16 kHz, as floats at 16 kHz."""
    raw = ["-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", str(RATE)]
    source = raw if path.suffix == ".raw" else []
    samples = run(["sox", "-R", "-D", *source, path, *raw, "-"])
    return np.frombuffer(samples, np.int16).astype(np.float32) / 32768


def write(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside it first, so that a file that is there is whole.
    part = path.with_suffix(".part")
    with wave.open(str(part), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes((np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes())
    part.rename(path)


def run(command, words=None):
    done = subprocess.run(command, input=words, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def loudness(samples):
    """Of the speech in it: what is within 30 dB of the loudest tenth of a second."""
    pieces = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    powers = (pieces**2).mean(axis=1)
    return float(np.sqrt(powers[powers > powers.max() / 1000].mean()))


def even(samples):
    return samples * (LOUDNESS / loudness(samples))


def padded(samples):
    return np.concatenate([np.zeros(int(LEAD * RATE), np.float32), samples, np.zeros(int(TAIL * RATE), np.float32)])


def chance(name):
    return np.random.default_rng([SEED, zlib.crc32(name.encode())])


def babble(people, spoken):
    """A minute of a room full of talkers: the people, and each voice, each saying its things in its own order."""
    groups = [people, *spoken.values()]
    length = 60 * RATE
    room = np.zeros(length, np.float32)
    for talker in range(TALKERS):
        random = chance(f"talker {talker}")
        group = groups[talker % len(groups)]
        said = np.concatenate([group[at] for at in random.permutation(len(group))])
        room += even(np.resize(np.roll(said, int(random.integers(len(said)))), length))
    return room


def noisy(samples, noise, ratio, room, name):
    if ratio is None:
        return samples
    random = chance(f"{name} {noise}")
    if noise == "white":
        sound = random.standard_normal(len(samples)).astype(np.float32)
    else:
        sound = np.resize(np.roll(room, -int(random.integers(len(room)))), len(samples))
    power = float(np.sqrt((sound**2).mean()))
    return samples + sound * (LOUDNESS / power * 10 ** (-ratio / 20))


def people():
    """The people of `pocketsphinx-testdata`, with what they say."""
    found = {}
    for place, transcription in (("cards", "cards/cards.transcription"), ("librivox", "librivox/transcription")):
        for line in (PEOPLE / transcription).read_text().splitlines():
            words, _, name = line.rpartition("(")
            name = name.strip(" )")
            found[PEOPLE / place / f"{name}.wav"] = words.replace("<s>", "").replace("</s>", "").strip()
    found[PEOPLE / "goforward.raw"] = "go forward ten meters"
    # As it is spoken; the transcription repeats an article.
    return {path: words.replace("more a amiable", "more amiable") for path, words in found.items()}


def make(program, out):
    """Makes what is missing, and returns the list of all. `program` is voice-terminal's command line."""
    listed = []
    persons = people()
    known = phrases()
    clean = {}
    # Whatever changes a recording changes its name.
    names = [f"{phrase['say'].replace(' ', '-')}-{zlib.crc32(aloud(phrase).encode()):08x}.wav" for phrase in known]
    for voice, command in VOICES.items():
        for phrase, name in zip(known, names, strict=True):
            words, source = aloud(phrase), out / "source" / voice / name
            if not source.exists():
                with tempfile.TemporaryDirectory() as place:
                    wav = Path(place) / "said.wav"
                    run(command(words, wav, program), words.encode() if voice in READS_INPUT else None)
                    write(source, even(read(wav)))
            clean.setdefault(voice, []).append(read(source))
    human = {path: even(read(path)) for path in persons}
    room = babble(list(human.values()), clean)
    for noise, ratio in conditions():
        condition = condition_name(noise, ratio)
        for voice, sounds in clean.items():
            for phrase, name, sound in zip(known, names, sounds, strict=True):
                path = out / voice / condition / name
                if not path.exists():
                    write(path, noisy(padded(sound), noise, ratio, room, f"{voice} {name}"))
                listed.append(
                    {"file": str(path), "voice": voice, "condition": condition, "words": phrase["say"], "means": phrase["means"]}
                )
        for source, sound in human.items():
            path = out / "people" / condition / f"{source.stem}.wav"
            if not path.exists():
                write(path, noisy(padded(sound), noise, ratio, room, source.stem))
            listed.append({"file": str(path), "voice": "people", "condition": condition, "words": persons[source], "means": None})
    (out / "list.json").write_text(json.dumps(listed, indent=1))
    return listed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--binary", type=Path, required=True, help="voice-terminal, which speaks as Piper")
    parser.add_argument("--out", type=Path, default=CACHE)
    options = parser.parse_args()
    made = make(program(options.binary), options.out)
    print(f"{len(made)} recordings in {options.out}")
