"""The host of studies: takes them from the store, one at a time, and runs each to its report."""
