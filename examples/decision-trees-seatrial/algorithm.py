"""A decision tree: how it is trained, how it is loaded, how it predicts."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from seatrial.runtime.training import Job


@dataclass
class Hyperparameters:
    max_leaf_nodes: int | None = None


def train(job: Job, hyperparameters: Hyperparameters) -> None:
    files = job.channels["training"].files()
    if not files:
        raise ValueError("the channel 'training' has no files")
    records = np.concatenate([np.loadtxt(file, delimiter=",", dtype=str, ndmin=2) for file in files])
    labels, features = records[:, 0], records[:, 1:].astype(float)
    tree = DecisionTreeClassifier(max_leaf_nodes=hyperparameters.max_leaf_nodes, random_state=0)
    tree.fit(features, labels)
    job.log_metric("train:accuracy", tree.score(features, labels))
    (job.model_dir / "model.pkl").write_bytes(pickle.dumps(tree))


def model_fn(model_dir: str) -> DecisionTreeClassifier:
    return pickle.loads(Path(model_dir, "model.pkl").read_bytes())


def predict_fn(data: np.ndarray, model: DecisionTreeClassifier) -> np.ndarray:
    return model.predict(data)
