"""How long does PyTorch take to train a classifier of 784-512-256-10 with Adam?

Usage: train_pytorch.py SAMPLES.npy LABELS.npy EPOCHS BATCH THREADS
Samples stay in one tensor, from which each batch is selected by index, and the optimizer is the fused one. As on our side, loss and accuracy of
each batch are added up on the way.
"""

import sys
import time

# Before everything else.
from report import report, resident

import numpy as np
import torch
from torch import nn


def main(samples, labels, epochs, batch, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    x = torch.from_numpy(np.load(samples))
    y = torch.from_numpy(np.load(labels).astype(np.int64))
    before = resident()
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    criterion = nn.CrossEntropyLoss()
    seconds, losses = [], []
    for _ in range(epochs):
        start = time.perf_counter()
        loss_sum, correct = 0.0, 0
        for rows in torch.randperm(len(x)).split(batch):
            inputs, targets = x.index_select(0, rows), y.index_select(0, rows)
            optimizer.zero_grad()
            logits = model(inputs)
            loss = criterion(logits, targets)
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(rows)
            correct += (logits.argmax(1) == targets).sum().item()
        seconds.append(time.perf_counter() - start)
        losses.append(loss_sum / len(x))
    report(seconds, losses[-1], before)


main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
