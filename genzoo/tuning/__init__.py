"""Search settings of a model by trials, judge them on validation rows, and judge the best again on test rows."""
