"""A random forest fitted by all hosts of the job, through joblib's Dask backend."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
from distributed import Client
from sklearn.ensemble import RandomForestClassifier

from seatrial.runtime.training import Job


@dataclass
class Hyperparameters:
    n_estimators: int = 90
    seed: int = 0


def read_share(directory: str) -> dict[str, bytes]:
    """The files that this host was given of a channel that is sharded by key."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in Path(directory).rglob("*.csv")}


def train(job: Job, hyperparameters: Hyperparameters) -> None:
    """Runs on the first host; the others lend their processors, and what they hold of the input."""
    with Client() as client:  # the cluster of this job: DASK_SCHEDULER_ADDRESS says where
        shares = client.run(read_share, str(job.channels["training"].path))
        files = {name: body for share in shares.values() for name, body in share.items()}
        print(f"{len(shares)} hosts hold {[len(share) for share in shares.values()]} files", flush=True)
        texts = [body.decode() for _, body in sorted(files.items())]
        records = np.concatenate([np.loadtxt(text.splitlines(), delimiter=",", dtype=str, ndmin=2) for text in texts])
        labels, features = records[:, 0], records[:, 1:].astype(float)
        forest = RandomForestClassifier(hyperparameters.n_estimators, random_state=hyperparameters.seed)
        with joblib.parallel_backend("dask"):
            forest.fit(features, labels)
    job.log_metric("train:accuracy", forest.score(features, labels))
    (job.model_dir / "model.pkl").write_bytes(pickle.dumps(forest))


def model_fn(model_dir: str) -> RandomForestClassifier:
    return pickle.loads(Path(model_dir, "model.pkl").read_bytes())


def predict_fn(data: np.ndarray, model: RandomForestClassifier) -> np.ndarray:
    return model.predict(data)
