"""Studies: the arms side by side, from one student and one problem set to trained models and a report."""
