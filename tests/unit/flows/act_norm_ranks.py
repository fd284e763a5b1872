"""What each of several processes does in a test: a module that they can import, whatever the tests are called."""

import torch
import torch.distributed as dist
from torch.testing import assert_close

from monai_degia.flows.bijections import ActNorm


def act_norm_on_rank(rank: int, port: int, path: str) -> None:
    """ActNorm starts with the statistics of all ranks, not with those of its own."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    norm = ActNorm(2).train()
    norm(torch.load(path)[rank::2])
    expected = ActNorm(2).train()
    dist.destroy_process_group()
    expected(torch.load(path))
    assert_close(norm.state_dict(), expected.state_dict())
