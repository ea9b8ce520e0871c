"""What MLflow is given of a model: a pyfunc of code and files that scores raw features without Evergreen."""
