"""What a run or a trained model can be asked: one function for each, which its methods and the commands share."""
