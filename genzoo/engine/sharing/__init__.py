"""What the processes of a training share in a step: the noise of the whole batch, and the sum of gradients."""
