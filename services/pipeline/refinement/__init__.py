"""The heart: the search for the smallest repair that verifies and still sounds like the student."""
