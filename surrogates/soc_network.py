"""The recurrent networks of the SOC estimator, in numpy: what they remember of a history is all that a sample needs.

Beside a sample they are told what SOC its voltage would mean at rest, by a table, once with a plain resistance taken
off: what is known need not be learned.

Gated recurrent units (Cho et al. 2014, arXiv:1406.1078, in the form of cuDNN and PyTorch, where the reset gate acts
after the matrix product), several at once, which were trained apart. What they give is how far coulomb counting is off,
and how sure they are of that: a mean and a standard deviation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from voltgym.surrogates.state_sensors import COUNTED, RATE, TEMPERATURE, VOLTS

OFFSET = np.zeros(4, np.float32)
OFFSET[[VOLTS, TEMPERATURE, RATE, COUNTED]] = 3.7, 298.15, 0.0, 0.5
SCALE = np.ones(4, np.float32)
SCALE[[VOLTS, TEMPERATURE, RATE, COUNTED]] = 0.4, 15.0, 1.0, 0.3
"""What a sample is scaled by before the networks see it."""

TABLE = np.linspace(2.0, 4.6, 131)
"""[V] of the table of SOC at rest."""
MOST = 5.0
"""What lies further than this off the counted SOC, in units of ``OUT``, says no more."""

OUT = 0.1
"""The size of what the networks give, in SOC."""
SPREADS = (-6.0, 1.0)
"""The range of the logarithm of a standard deviation over ``OUT``: from 0.02 % to 27 % SOC."""

BLOCK = 16
"""Rows are multiplied so many at a time: products of one shape round alike, so that no row depends on its company."""


class Gru(NamedTuple):
    """Weights of m networks with h hidden units, float32."""

    inner: np.ndarray
    """(m, 6, 3h) of what :func:`inputs` gives: reset, update, new."""
    recurrent: np.ndarray
    """(m, h, 3h) of what is remembered."""
    inner_bias: np.ndarray
    """(m, 1, 3h)."""
    recurrent_bias: np.ndarray
    """(m, 1, 3h)."""
    out: np.ndarray
    """(m, h, 2) to the mean and the logarithm of the standard deviation."""
    out_bias: np.ndarray
    """(m, 1, 2)."""
    rest: np.ndarray
    """(len(TABLE),) SOC at rest."""
    drop: np.ndarray
    """() [V] over a plain resistance at 1C."""

    @property
    def size(self) -> tuple[int, int]:
        """(m, h)."""
        return self.recurrent.shape[0], self.recurrent.shape[1]


def inputs(rest: np.ndarray, drop: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """(..., 6) float32 of (..., 4) samples: themselves scaled, and how far two SOCs at rest are above the counted."""
    x = np.asarray(sample, np.float32)
    volts = np.stack([x[..., VOLTS], x[..., VOLTS] - drop * x[..., RATE]], axis=-1)
    above = (np.interp(volts, TABLE, rest) - x[..., COUNTED, None]) / OUT
    return np.concatenate([(x - OFFSET) / SCALE, np.clip(above, -MOST, MOST)], axis=-1).astype(np.float32)


def update(w: Gru, memory: np.ndarray, sample: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One sample more.

    Args:
        w: the networks.
        memory: (n, m, h) float32, zeros before the first sample.
        sample: (n, 4) of ``state_sensors.COLUMNS``.

    Returns:
        (n, m, h) what is remembered now, (n, m) the SOC above the counted one, (n, m) its standard deviation.
    """
    n = len(sample)
    x = inputs(w.rest, w.drop, sample)[None].repeat(w.size[0], axis=0)
    old = memory.transpose(1, 0, 2)
    a, b = product(x, w.inner) + w.inner_bias, product(old, w.recurrent) + w.recurrent_bias
    h = w.size[1]
    reset, gate = _sigmoid(a[..., :h] + b[..., :h]), _sigmoid(a[..., h : 2 * h] + b[..., h : 2 * h])
    new = np.tanh(a[..., 2 * h :] + reset * b[..., 2 * h :])
    now = (1 - gate) * new + gate * old
    y = product(now, w.out) + w.out_bias
    std = OUT * np.exp(np.clip(y[..., 1], *SPREADS))
    return now.transpose(1, 0, 2).reshape(n, *w.size), (OUT * y[..., 0]).T, std.T


def product(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(m, n, k) of (m, n, d) and (m, d, k), in blocks of one shape."""
    m, n, d = x.shape
    padded = np.zeros((m, n + -n % BLOCK, d), np.float32)
    padded[:, :n] = x
    found = padded.reshape(m, -1, BLOCK, d) @ weight[:, None]
    return found.reshape(m, -1, weight.shape[2])[:, :n]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))
