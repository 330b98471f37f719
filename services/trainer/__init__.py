"""The trainer: trains a student on a data set and publishes the model."""
