"""What a study concludes: intervals, paired differences, correlations, the weight of cost."""
