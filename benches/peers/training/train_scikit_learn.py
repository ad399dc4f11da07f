"""How long does scikit-learn take to train a classifier of 784-512-256-10 with Adam?

Usage: train_scikit_learn.py SAMPLES.npy LABELS.npy EPOCHS BATCH THREADS
"""

import os
import sys
import time

for library in ["OMP", "OPENBLAS", "MKL"]:
    os.environ[f"{library}_NUM_THREADS"] = sys.argv[5]

# Before everything else.
from report import report, resident

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier


def main(samples, labels, epochs, batch):
    x, y = np.load(samples), np.load(labels)
    before = resident()
    # One epoch after another, with what has been learnt.
    model = MLPClassifier((512, 256), batch_size=batch, learning_rate_init=1e-3, alpha=0.0, max_iter=1, warm_start=True)
    model.random_state = np.random.RandomState(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        model.fit(x, y)
        seconds.append(time.perf_counter() - start)
    report(seconds, model.loss_, before)


main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5]))
