"""The Flask application that answers SageMaker's two requests, ``GET /ping`` and ``POST /invocations``.

The only file here, beside ``train``, that knows the algorithm.
"""

import io
import pickle
from pathlib import Path

import flask
import pandas as pd

MODEL_PATH = Path("/opt/ml/model/decision-tree-model.pkl")


class ScoringService:
    """The model, read once in each worker process."""

    model = None

    @classmethod
    def get_model(cls):
        """The trained tree, or ``None`` while there is no model file."""
        if cls.model is None and MODEL_PATH.exists():
            with MODEL_PATH.open("rb") as model_file:
                cls.model = pickle.load(model_file)
        return cls.model

    @classmethod
    def predict(cls, records):
        """The species of each row of a frame of measurements."""
        return cls.get_model().predict(records)


app = flask.Flask(__name__)


@app.get("/ping")
def ping():
    """Healthy means that the model can be loaded."""
    status = 200 if ScoringService.get_model() is not None else 404
    return flask.Response(response="\n", status=status, mimetype="application/json")


@app.post("/invocations")
def invocations():
    """Predict a batch: CSV in, a row for each record; CSV out, a species on each line."""
    if flask.request.mimetype != "text/csv":
        return flask.Response(response="This predictor only supports CSV data", status=415, mimetype="text/plain")

    records = pd.read_csv(io.StringIO(flask.request.get_data(as_text=True)), header=None)
    print(f"Invoked with {len(records)} records")
    predictions = ScoringService.predict(records)

    out = io.StringIO()
    pd.DataFrame({"results": predictions}).to_csv(out, header=False, index=False)
    return flask.Response(response=out.getvalue(), status=200, mimetype="text/csv")
