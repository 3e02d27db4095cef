"""Send what a training logs to other tools, which `--log` names."""
