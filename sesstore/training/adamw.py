"""AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101), all parameters in one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor
from torch.autograd.graph import increment_version
from torch.optim.adamw import adamw

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""What a step leaves of the moments, and what guards their ratio: torch's defaults."""

_STATE = ("step", "exp_avg", "exp_avg_sq")


class AdamW:
    """The optimiser of adapters.

    The step is torch's. Its class ``torch.optim.AdamW`` is not used: it imports torch's compiler,
    which takes as long as all else that a small training does.

    Parameters
    ----------
    parameters : sequence of Tensor
        What is learned, in float32 on one device.
    weight_decay : float
        Share of a parameter that a step at rate 1 would take away.
    """

    def __init__(self, parameters: Sequence[Tensor], weight_decay: float) -> None:
        self._parameters, self._weight_decay = list(parameters), weight_decay
        self._state: dict[str, list[Tensor]] = {}

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Take a step down the parameters' gradients, which are forgotten then.

        Parameters
        ----------
        rate : float
            Learning rate.
        """
        parameters = self._parameters
        if not self._state:
            self._state = {
                "step": [torch.zeros((), device=parameter.device) for parameter in parameters],
                "exp_avg": [torch.zeros_like(parameter) for parameter in parameters],
                "exp_avg_sq": [torch.zeros_like(parameter) for parameter in parameters],
            }
        adamw(
            parameters,
            [cast(Tensor, parameter.grad) for parameter in parameters],
            self._state["exp_avg"],
            self._state["exp_avg_sq"],
            [],
            self._state["step"],
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=rate,
            weight_decay=self._weight_decay,
            eps=EPSILON,
            maximize=False,
        )
        # The fused step does not count as a change of them: what is packed from them would stay.
        increment_version(parameters)
        for parameter in parameters:
            parameter.grad = None

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield what the next step depends on, by parameter and name; nothing before the first."""
        for kind, values in self._state.items():
            yield from ((f"{place}/{kind}", value) for place, value in enumerate(values))

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from the `tensors` of an earlier optimiser of the same parameters."""
        places = range(len(self._parameters))
        self._state = {
            kind: [tensors[f"{place}/{kind}"] for place in places] for kind in _STATE if tensors
        }
