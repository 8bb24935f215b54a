"""A recipe under FSDP on CPU processes: `torchrun --nproc_per_node 2 -m tests.training.fsdp_on_cpu RECIPE`.

PyTorch's FSDP works there; accelerate turns it on for accelerators only, so its state is told that it is on.
"""

import sys
from pathlib import Path

from accelerate import state
from accelerate.utils import DistributedType

from training.recipe import read_recipe
from training.train import train

_init = state.AcceleratorState.__init__


def _with_fsdp(self, *args, **options):
    _init(self, *args, **options)
    if (plugin := options.get("fsdp_plugin")) is not None:
        for shared in (state.PartialState._shared_state, state.AcceleratorState._shared_state):
            shared["distributed_type"] = DistributedType.FSDP
        state.AcceleratorState._shared_state["fsdp_plugin"] = plugin
        self.__dict__.update(state.AcceleratorState._shared_state)


if __name__ == "__main__":
    state.AcceleratorState.__init__ = _with_fsdp
    train(read_recipe(Path(sys.argv[1])))
