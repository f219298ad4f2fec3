"""The captioner of minicap.captioning and its twin in torch: training steps, and beam search."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.case import Case, Task
from benchmarks.cases.recurrent import reordered_gates
from benchmarks.cases.steps import minicap_step, normal, torch_step
from benchmarks.torch_mode import TorchMode
from minicap.captioning import ShowAndTell, ShowAndTellConfig, beam_search

START, END = 1, 2


@dataclass(frozen=True)
class Captions:
    """Sizes of a captioner: N captions of T words, embeddings D, hidden units H, V words, F features.

    The embedded image is the first input, nothing is dropped, and no caption is padded.
    """

    N: int
    D: int
    H: int
    V: int
    T: int = 16
    F: int = 1024

    def features(self) -> Any:
        return normal(self.N, self.F)

    def words(self) -> tuple[Any, Any]:
        """Words from <start> on, and the next ones, (N, T) each."""
        frequency = 1 / np.arange(1, self.V - 3)  # of the words behind the four special ones: Zipf's law
        draw = np.random.default_rng(0).choice
        caption = draw(self.V - 4, size=(self.N, self.T + 1), p=frequency / frequency.sum()) + 4
        caption[:, 0], caption[:, -1] = START, END
        return caption[:, :-1], caption[:, 1:]

    def minicap_model(self) -> ShowAndTell:
        config = ShowAndTellConfig(embed_size=self.D, hidden_size=self.H, dropout=0.0)
        model = ShowAndTell(config, self.F, self.V, self.log_frequency())
        model.initialize(seed=0)
        return model

    def log_frequency(self) -> Any:
        """Words as frequent as one over their rank, a tenth <end>, so that captions have about ten words."""
        share = 1 / np.arange(1, self.V + 1)
        share[END] = 0
        share[END] = share.sum() / 9
        return np.log(share / share.sum())

    def torch_model(self) -> Any:
        """The twin, with the same numbers."""
        from torch import nn

        model = nn.Module()
        model.image, model.words = nn.Linear(self.F, self.D), nn.Embedding(self.V, self.D)
        model.cell, model.out = nn.LSTM(self.D, self.H), nn.Linear(self.H, self.V)
        model.cell.bias_hh_l0.detach().zero_()  # minicap has one bias here
        ours = self.minicap_model().params
        for name, parameter in _by_our_names(model).items():
            parameter.copy_(parameter.new_tensor(_to_torch(name, ours[name])))
        return model


def _by_our_names(model: Any) -> dict[str, Any]:
    """The twin's parameters under minicap's names, in torch's layout."""
    theirs = {
        "image.w": model.image.weight,
        "image.b": model.image.bias,
        "words.table": model.words.weight,
        "cell.Wx": model.cell.weight_ih_l0,
        "cell.Wh": model.cell.weight_hh_l0,
        "cell.b": model.cell.bias_ih_l0,
        "out_w": model.out.weight,
        "out_b": model.out.bias,
    }
    return {name: parameter.detach() for name, parameter in theirs.items()}


def _to_torch(name: str, array: Any) -> Any:
    """From minicap's layout: matrices transposed, gates in torch's order."""
    if name.startswith("cell."):
        array = reordered_gates(array, "lstm")
    return array if name == "words.table" else array.T


def _from_torch(name: str, array: Any) -> Any:
    """The inverse of _to_torch."""
    array = array.copy() if name == "words.table" else array.T.copy()
    return reordered_gates(array, "lstm") if name.startswith("cell.") else array


class CaptionStep(Captions):
    """A training step of a batch."""

    def minicap(self, threads: int) -> Task:
        words, next_words = self.words()
        batch = {
            "features": self.features(),
            "words": words,
            "next_words": next_words,
            "mask": np.ones(words.shape, np.float32),
        }
        return minicap_step(self.minicap_model(), batch, threads)

    def torch(self, mode: TorchMode) -> Task:
        import torch

        model = self.torch_model()
        features = mode.tensor(self.features())
        # Time first: torch's own order, and its faster one.
        words, next_words = (mode.tensor(array.T).contiguous() for array in self.words())

        def loss() -> Any:
            inputs = torch.cat([model.image(features)[None], model.words(words)])
            h, _ = model.cell(inputs)
            scores = model.out(h[1:])
            return torch.nn.functional.cross_entropy(scores.reshape(-1, self.V), next_words.reshape(-1))

        def read() -> dict[str, Any]:
            theirs = _by_our_names(model)
            return {name: _from_torch(name, w.numpy(force=True)) for name, w in theirs.items()}

        return torch_step(model, loss, mode, read)


@dataclass(frozen=True)
class BeamSearch(Captions):
    """Captions of N images by beam search, from their features on, at most T words."""

    beam: int = 3

    def minicap(self, threads: int) -> Task:
        model, features = self.minicap_model(), self.features()

        def search() -> Any:
            return beam_search(model.step, model.start(features), START, END, self.T, self.beam)

        def answer() -> dict[str, Any]:
            return {"log probabilities": [[h.log_prob for h in found] for found in search()]}

        return Task(search, answer)

    def torch(self, mode: TorchMode) -> Task:
        import torch

        model, features = self.torch_model(), mode.tensor(self.features())

        def search() -> Any:
            with torch.inference_mode():
                return torch_beam_search(model, features, self.T, self.beam)

        def answer() -> dict[str, Any]:
            return {"log probabilities": [[log_prob for _, log_prob, _ in found] for found in search()]}

        return Task(search, answer)


def torch_beam_search(model: Any, features: Any, limit: int, beam: int) -> list[list[Any]]:
    """The search of minicap.captioning.beam_search as it is written in torch, all rows at once.

    Returns for every row its captions, (unfinished, log probability, words), best first.
    """
    import torch

    N = len(features)
    _, (h, c) = model.cell(model.image(features)[None])
    words, log_prob = torch.full((N, 1), START), torch.zeros(N, 1)
    captions, done = torch.empty((N, 1, 0), dtype=torch.long), torch.zeros(N, dtype=torch.long)
    found: list[list[Any]] = [[] for _ in range(N)]

    def collect(which: Any, unfinished: bool) -> None:
        for n, k in which.nonzero().tolist():
            found[n].append((unfinished, log_prob[n, k].item(), captions[n, k].tolist()))

    for _ in range(limit):
        width = words.shape[1]
        out, (h, c) = model.cell(model.words(words.reshape(1, -1)), (h, c))
        next_log_p = torch.log_softmax(model.out(out[0]), dim=1).reshape(N, width, -1)
        V = next_log_p.shape[2]
        log_prob, places = (log_prob[:, :, None] + next_log_p).reshape(N, -1).topk(beam)
        parents, words = places // V, places % V
        captions = torch.cat(
            [captions.gather(1, parents[:, :, None].expand(-1, -1, captions.shape[2])), words[:, :, None]], 2
        )
        free = torch.arange(beam) < beam - done[:, None]  # finished captions keep their places
        ended = free & (words == END)
        collect(ended, unfinished=False)
        log_prob = log_prob.masked_fill(~free | ended, -torch.inf)
        done += ended.sum(1)
        if (done == beam).all():
            break
        rows = (torch.arange(N)[:, None] * width + parents).reshape(-1)
        h, c = h[:, rows], c[:, rows]
    else:
        collect(log_prob > -torch.inf, unfinished=True)
    return [sorted(of_row, key=lambda caption: (caption[0], -caption[1])) for of_row in found]


_STEPS = {
    "h128-v1000": CaptionStep(32, 128, 128, 1_000),
    "h512-v2000": CaptionStep(64, 300, 512, 2_000),
    "h512-v10000": CaptionStep(64, 300, 512, 10_000),
    "h512-v10000-n128": CaptionStep(128, 256, 512, 10_000),
}
_SEARCHES = {"v2000": BeamSearch(64, 256, 512, 2_000, T=20), "v10000": BeamSearch(64, 256, 512, 10_000, T=20)}


def _sizes(work: Captions) -> str:
    return f"D {work.D}, H {work.H}, V {work.V:,}"


CASES = [
    Case(
        f"captioner/{name}",
        f"training step, {work.N} captions of {work.T} words, {_sizes(work)}",
        work,
        ("torch", "torch-compile"),
        tolerance=1e-3,
        items=work.N,
        unit="captions",
    )
    for name, work in _STEPS.items()
] + [
    Case(
        f"beam/{name}",
        f"beam search for {work.N} images, beam {work.beam}, at most {work.T} words, {_sizes(work)}",
        work,
        tolerance=1e-3,
        items=work.N,
        unit="captions",
    )
    for name, work in _SEARCHES.items()
]
