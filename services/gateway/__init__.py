"""The door of the whole: an HTTP API in front of the artifact store, the student and the oracle."""
