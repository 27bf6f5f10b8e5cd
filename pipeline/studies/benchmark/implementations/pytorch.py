"""PyTorch: `nn.LSTM` over padded batches of similar length.

Padding comes after the last token, so a backward LSTM would read it first. Two ways give the
right states: packed sequences, which miss the fast path of `nn.LSTM`; or two LSTMs of one
direction each, the second on rows reversed by their own length: their vectors, or their ids
before these are looked up.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.core.sequences import Sequences
from pipeline.encoding import batching
from pipeline.studies.benchmark.arithmetic import Order
from pipeline.studies.benchmark.implementations import Weights
from pipeline.studies.benchmark.settings import Sizes

Way = Literal["reversed", "reversed_ids", "packed"]


class PyTorch:
    """The implementation; see `pipeline.studies.benchmark.implementations`."""

    way: Way = "reversed"
    sparse = False  # whether the embedding's gradient holds only the rows that a batch reads

    def __init__(self, sizes: Sizes, rows: Sequences, batch_size: int, threads: int) -> None:
        del batch_size  # the batches come as they are
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self._rows = rows
        self.model = Network(sizes, self.way, sparse=self.sparse)
        learned = [weight for weight in self.model.parameters() if weight.requires_grad]
        # Keras's epsilon; fused is PyTorch's fastest Adam here
        rate, epsilon = sizes.learning_rate, 1e-7
        self._optimizers: list[torch.optim.Optimizer] = []
        if self.sparse:
            embedding = [self.model.embedding.weight]
            learned = [weight for weight in learned if weight is not embedding[0]]
            self._optimizers = [torch.optim.SparseAdam(embedding, rate, eps=epsilon)]
        self._optimizers.append(torch.optim.Adam(learned, rate, eps=epsilon, fused=True))

    def train(self, order: Order) -> None:
        self.model.train()
        for indices in order:
            self.model.zero_grad()
            self.loss(self._rows, indices).backward()
            for optimizer in self._optimizers:
                optimizer.step()

    def loss(self, rows: Sequences, indices: NDArray[np.int64]) -> Tensor:
        """The mean loss of a batch."""
        targets = torch.from_numpy(rows.targets[indices].astype(np.float32))
        return nn.functional.binary_cross_entropy_with_logits(self._logits(rows, indices), targets)

    def predict(self, rows: Sequences) -> NDArray[np.float32]:
        self.model.eval()
        outputs = np.empty(len(rows), np.float32)
        with torch.inference_mode():
            for indices in batching.batches(rows.lengths, 256, None):
                outputs[indices] = torch.sigmoid(self._logits(rows, indices)).numpy()
        return outputs

    def weights(self) -> Weights:
        return [weight.detach().numpy() for weight in self.in_keras_layout()]

    def load(self, weights: Weights) -> None:
        with torch.no_grad():
            for own, given in zip(self.in_keras_layout(), weights, strict=True):
                own.copy_(torch.from_numpy(np.array(given)).reshape(own.shape))

    def gradients(self) -> Weights:
        """The gradients of the last `backward`, in the order of `weights`."""
        return [each.numpy() for each in self.in_keras_layout(lambda one: one.grad.to_dense())]

    def in_keras_layout(self, of: Callable[[Any], Any] = lambda one: one) -> list[Tensor]:
        """Views of the weights, or of what `of` makes of them, in the order of `WEIGHTS`."""
        model = self.model
        lstms = (
            [(model.both, ""), (model.both, "_reverse")]
            if self.way == "packed"
            else [(model.forwards, ""), (model.backwards, "")]
        )
        views = [of(model.embedding.weight)]
        for lstm, suffix in lstms:
            views.append(of(getattr(lstm, f"weight_ih_l0{suffix}")).T)
            views.append(of(getattr(lstm, f"weight_hh_l0{suffix}")).T)
            views.append(of(getattr(lstm, f"bias_ih_l0{suffix}")))
        views += [of(model.attention.weight).T, of(model.attention.bias)]
        views += [of(model.vector.weight)[0]]
        return [*views, of(model.output.weight).T, of(model.output.bias)]

    def _logits(self, rows: Sequences, indices: NDArray[np.int64]) -> Tensor:
        tokens = torch.from_numpy(batching.pad(rows, indices))
        logits: Tensor = self.model(tokens, torch.from_numpy(rows.lengths[indices]))
        return logits


class Sparse(PyTorch):
    """The same, with sparse gradients of the embedding, as Spotlight has them."""

    sparse = True


class SparseIds(Sparse):
    """With sparse gradients, and ids reversed before the look-up in place of vectors after it."""

    way = "reversed_ids"


class Packed(PyTorch):
    """The same, with packed sequences."""

    way = "packed"


class Network(nn.Module):
    """(<int32>[batch, time_steps], <int64>[batch] lengths) -> (batch,) logits."""

    def __init__(self, sizes: Sizes, way: Way, *, sparse: bool) -> None:
        super().__init__()
        states = 2 * sizes.units
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.embedding, sparse=sparse)
        self.forwards = nn.LSTM(sizes.embedding, sizes.units, batch_first=True)
        self.backwards = nn.LSTM(sizes.embedding, sizes.units, batch_first=True)
        self.both = nn.LSTM(sizes.embedding, sizes.units, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(states, states)
        self.vector = nn.Linear(states, 1, bias=False)
        self.dropout = nn.Dropout(sizes.dropout)
        self.output = nn.Linear(states, 1)
        self._way = way
        if way == "packed":
            del self.forwards, self.backwards
        else:
            del self.both
        # nn.LSTM has two biases where Keras has one: the second stays 0.
        for name, weight in self.named_parameters():
            if "bias_hh" in name:
                nn.init.zeros_(weight)
                weight.requires_grad_(requires_grad=False)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        encode = self._packed if self._way == "packed" else self._reversed
        states = encode(tokens, lengths)  # (batch, time_steps, d)
        scores = self.vector(torch.tanh(self.attention(states)))[..., 0]  # (batch, time_steps)
        steps = torch.arange(tokens.shape[1])
        weights = scores.masked_fill(steps >= lengths[:, None], float("-inf")).softmax(dim=1)
        context = torch.bmm(weights[:, None], states)[:, 0]  # (batch, d)
        logits: Tensor = self.output(self.dropout(context))[:, 0]
        return logits

    def _packed(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        embedded = self.embedding(tokens)  # (batch, time_steps, E)
        together = nn.utils.rnn.pack_padded_sequence(
            embedded, lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.both(together)[0], batch_first=True, total_length=embedded.shape[1]
        )
        return states

    def _reversed(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        steps = torch.arange(tokens.shape[1])
        ends = lengths[:, None]
        turned = torch.where(steps < ends, ends - 1 - steps, steps)  # (batch, time_steps)
        embedded = self.embedding(tokens)  # (batch, time_steps, E)
        if self._way == "reversed_ids":
            other_way = self.embedding(torch.gather(tokens, 1, turned))
        else:
            other_way = _reordered(embedded, turned)
        backwards = _reordered(self.backwards(other_way)[0], turned)
        return torch.cat([self.forwards(embedded)[0], backwards], dim=-1)


def _reordered(values: Tensor, steps: Tensor) -> Tensor:
    """Each row's steps in another order: (batch, time_steps, n), (batch, time_steps)."""
    return torch.gather(values, 1, steps[..., None].expand(-1, -1, values.shape[-1]))
