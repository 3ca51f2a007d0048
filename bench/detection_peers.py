# SPDX-License-Identifier: Apache-2.0
"""Other detectors, for bench/detection --peers: our implementations, with the settings that stand
here, on Debian's python3-numpy and python3-sklearn. Each is fitted on train alone and gives a
sample a score from it and what came before it, never from what comes later.

    detection_peers.py PEER TOCSIN TRAIN.csv TEST.csv SCORES.csv

writes the scores and prints {"train_s": CPU seconds, "score_us": CPU microseconds a sample}."""
import csv
import json
import os
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
    import sklearn.cluster
    import sklearn.decomposition
    import sklearn.ensemble
    import sklearn.svm
except ImportError:
    np = None

SEED = 1


def expect_packages():
    if np is None:
        raise OSError("--peers needs numpy and scikit-learn (Debian: python3-numpy, "
                      "python3-sklearn)")


def read(path):
    """X[rows][metrics]; a missing value is the last one of its metric, at first 0."""
    with open(path, newline="") as f:
        rows = csv.reader(f)
        next(rows)
        x = np.array([[float(v) if v else np.nan for v in r[1:]] for r in rows if r])
    missing = np.isnan(x)
    if missing.any():
        last = np.maximum.accumulate(np.where(missing, -1, np.arange(len(x))[:, None]), axis=0)
        x = np.where(last >= 0, np.take_along_axis(x, np.maximum(last, 0), axis=0), 0.0)
    return x


class Scaled:
    """z-scores by the mean and deviation of train; what is constant there is left unscaled."""

    def fit(self, train):
        self.mean, deviation = train.mean(axis=0), train.std(axis=0)
        self.deviation = np.where(deviation > 0, deviation, 1.0)
        self.fit_scaled((train - self.mean) / self.deviation)

    def score(self, test):
        return self.score_scaled((test - self.mean) / self.deviation)


class IsolationForest(Scaled):
    """100 trees of 256 rows each (the paper's and the library's default), each row by itself."""

    def fit_scaled(self, z):
        self.forest = sklearn.ensemble.IsolationForest(random_state=SEED, n_jobs=1).fit(z)

    def score_scaled(self, z):
        return -self.forest.score_samples(z)


class Pca(Scaled):
    """Squared distance from the components that hold 95 % of the variance, each row by itself."""

    def fit_scaled(self, z):
        self.pca = sklearn.decomposition.PCA(0.95, svd_solver="full").fit(z)

    def score_scaled(self, z):
        return ((z - self.pca.inverse_transform(self.pca.transform(z))) ** 2).sum(axis=1)


class OneClassSvm(Scaled):
    """rbf, nu 0.1; fitted on 5,000 rows evenly spaced, since its cost grows with their square."""

    def fit_scaled(self, z):
        rows = np.linspace(0, len(z) - 1, min(5000, len(z))).astype(int)
        self.svm = sklearn.svm.OneClassSVM(kernel="rbf", nu=0.1).fit(z[rows])

    def score_scaled(self, z):
        return -self.svm.decision_function(z)


class KMeans:
    """The idea of Netdata's detector, not its code: for each metric the mean of its last 3 changes
    and 5 lags of it, k-means with 2 centres; a metric is anomalous when its mean distance to the
    centres reaches 0.99 of the span in train; the score is the share of anomalous metrics, mean of
    the last 5 samples. One model a metric, of all of train (Netdata keeps 18, of 54 hours)."""

    @staticmethod
    def features(x):
        change = np.diff(x, prepend=x[:1])
        smooth = np.convolve(change, np.ones(3) / 3)[:len(x)]
        return np.stack([np.concatenate([np.zeros(lag), smooth[:len(x) - lag]])
                         for lag in range(6)], axis=1)

    @staticmethod
    def distance(features, centres):
        return np.linalg.norm(features[:, None, :] - centres, axis=2).mean(axis=1)

    def fit(self, train):
        self.models = []
        for x in train.T:
            f = self.features(x)
            k = min(2, len(np.unique(f, axis=0)))
            centres = sklearn.cluster.KMeans(k, n_init=1, random_state=SEED).fit(f).cluster_centers_
            d = self.distance(f, centres)
            self.models.append((centres, d.min(), d.max()))

    def score(self, test):
        anomalous = np.zeros(len(test))
        for x, (centres, least, most) in zip(test.T, self.models):
            d = self.distance(self.features(x), centres)
            span = most - least
            anomalous += (d - least) / span >= 0.99 if span > 0 else d > most
        return np.convolve(anomalous / test.shape[1], np.ones(5) / 5)[:len(test)]


class Noise:
    """Uniform noise: the floor."""

    def fit(self, train):
        pass

    def score(self, test):
        return np.random.default_rng(SEED).random(len(test))


def cpu_of_children():
    used = os.times()
    return used.children_user + used.children_system


def classic_autoencoder(tocsin, train, test, scores):
    """The pipeline that people build by hand, by tocsin: min-max, 14-8-4-8-14, relu, sigmoid, Adam
    1e-3, batches of 32, 100 epochs; a fixed threshold makes the score the plain squared error."""
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "classic.tsm")
        start = cpu_of_children()
        subprocess.run([tocsin, "train", "--data", train, "--model", model, "--profile", "none",
                        "--layers", "14,8,4,8,14", "--hidden", "relu", "--output", "sigmoid",
                        "--epochs", "100", "--batch-size", "32", "--learning-rate", "0.001",
                        "--patience", "0", "--feature-dropout", "0", "--scaling", "minmax",
                        "--threshold", "fixed:1"], check=True, stdout=subprocess.DEVNULL)
        trained = cpu_of_children()
        subprocess.run([tocsin, "score", "--data", test, "--model", model, "-o", scores],
                       check=True, stderr=subprocess.DEVNULL)
        return trained - start, None  # its scoring is in the same program as tocsin's own


def fit_and_score(detector, train, test, scores):
    x = read(train)
    start = time.process_time()
    detector.fit(x)
    trained = time.process_time()
    x = read(test)
    began = time.process_time()
    values = detector.score(x)
    took = time.process_time() - began
    with open(scores, "w") as f:
        f.write("score\n")
        f.writelines(f"{float(v)!r}\n" for v in values)
    return trained - start, 1e6 * took / len(x)


PEERS = {
    "classic autoencoder": classic_autoencoder,
    "Netdata-like k-means": KMeans,
    "PCA": Pca,
    "isolation forest": IsolationForest,
    "one-class SVM": OneClassSvm,
    "random": Noise,
}


def main():
    peer, tocsin, train, test, scores = sys.argv[1:]
    if isinstance(PEERS[peer], type):
        train_s, score_us = fit_and_score(PEERS[peer](), train, test, scores)
    else:
        train_s, score_us = PEERS[peer](tocsin, train, test, scores)
    print(json.dumps({"train_s": train_s, "score_us": score_us}))


if __name__ == "__main__":
    main()
