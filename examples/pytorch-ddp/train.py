"""Logistic regression by PyTorch DDP: each process has its host's share of the rows, and all end with one model.

Run as script mode does, by torchrun on every host, or as it is on one host.
"""

import argparse
import csv
import os
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

FEATURES = 4


def read_rows(directory):
    """Label first, then the features; the rows of all files, in the order of their names."""
    rows = []
    for path in sorted(Path(directory).rglob("*.csv")):
        with path.open(newline="") as file:
            rows += [[float(value) for value in row] for row in csv.reader(file) if row]
    values = torch.tensor(rows, dtype=torch.float64).reshape(-1, FEATURES + 1)
    return values[:, 1:], values[:, :1]


def share_of_process(rows):
    """A host's rows are shared by its processes."""
    return rows[int(os.environ.get("LOCAL_RANK", "0")) :: int(os.environ.get("LOCAL_WORLD_SIZE", "1"))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--learning-rate", type=float, default=0.5)
    args = parser.parse_args()
    is_distributed = "RANK" in os.environ
    if is_distributed:
        dist.init_process_group("gloo")
    rank, world_size = (dist.get_rank(), dist.get_world_size()) if is_distributed else (0, 1)

    features, labels = map(share_of_process, read_rows(os.environ["SM_CHANNEL_TRAINING"]))
    count = torch.tensor([float(len(labels))], dtype=torch.float64)
    if is_distributed:
        dist.all_reduce(count)
    print(f"rank {rank} of {world_size} has {len(labels)} of {count.item():.0f} rows", flush=True)

    torch.manual_seed(0)
    model = torch.nn.Linear(FEATURES, 1, dtype=torch.float64)
    ddp = DistributedDataParallel(model) if is_distributed else model
    optimizer = torch.optim.SGD(ddp.parameters(), lr=args.learning_rate)
    for epoch in range(args.epochs):
        optimizer.zero_grad()
        total = torch.nn.functional.binary_cross_entropy_with_logits(ddp(features), labels, reduction="sum")
        # DDP averages the gradients over the processes; shares of unequal size want the mean over all rows.
        loss = total * world_size / count.item()
        loss.backward()
        optimizer.step()
        if rank == 0 and epoch % 50 == 49:
            print(f"metric loss={loss.item():.6f}", flush=True)
    if rank == 0:
        torch.save(model.state_dict(), Path(os.environ["SM_MODEL_DIR"], "model.pt"))
    if is_distributed:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
