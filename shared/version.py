"""The version that records and runs carry."""

VERSION = "0.1.0"
