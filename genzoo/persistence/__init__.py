"""An experiment on disk: run directories, checkpoints and portable model folders."""
