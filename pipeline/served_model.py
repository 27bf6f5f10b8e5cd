"""What MLflow runs to load a served model («models from code»)."""

from mlflow.models import set_model

from pipeline.serving import ServedModel

set_model(ServedModel())
