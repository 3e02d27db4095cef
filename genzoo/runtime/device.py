"""Which device and precision a run uses, resolved once and then stored with the run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from genzoo.config.settings import Precision, ResolvedPrecision
from genzoo.errors import ConfigError

_AUTOCAST: dict[str, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Runtime:
    """A device and the precision of gradient training on it."""

    device: torch.device
    precision: ResolvedPrecision

    @property
    def dtype(self) -> torch.dtype:
        """The type of parameters and events."""
        return torch.float64 if self.precision == "fp64" else torch.float32

    @property
    def wide(self) -> torch.dtype:
        """The widest floating type of the device, for what must not round."""
        return widest(self.device)

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        """The mixed precision of one forward pass; nothing happens for fp64, fp32 and tf32."""
        dtype = _AUTOCAST.get(self.precision)
        if dtype is None:
            yield
            return
        with torch.autocast(self.device.type, dtype):
            yield

    @contextlib.contextmanager
    def matmul(self) -> Iterator[None]:
        """TensorFloat-32 products where the precision is tf32, full fp32 elsewhere; restored afterwards."""
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if self.precision == "tf32" else "highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)


def full_precision(x: Tensor) -> contextlib.AbstractContextManager[None]:
    """No autocast on the device of `x`, for what must not round, such as a gradient that is itself differentiated."""
    if x.is_meta:  # which has no autocast to switch off
        return contextlib.nullcontext()
    return torch.autocast(x.device.type, enabled=False)


def widest(device: torch.device) -> torch.dtype:
    """The widest floating type that a device computes in."""
    return torch.float32 if device.type == "mps" else torch.float64


def resolve_device(name: str, *, float64: bool = False) -> torch.device:
    """The device called `name`, `auto` being cuda, else mps, else cpu.

    Arguments:
        float64: whether it must compute in float64, which mps does not.

    Raises:
        ConfigError: no such device, or this machine lacks it.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() and not float64 else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"There is no device {name!r}. Use auto, cpu, cuda, cuda:N or mps.") from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"Device {name!r} is not one that genzoo runs on. Use auto, cpu, cuda, cuda:N or mps.")
    if device.type == "cuda":
        _check_cuda(device)
    if device.type == "mps" and float64:
        raise ConfigError("This model computes in float64, which mps does not have. Use --device auto or cpu.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(f"Device {name!r} was asked for, and this machine has none. Use --device auto or cpu.")
    return device


def _check_cuda(device: torch.device) -> None:
    if not torch.cuda.is_available():
        built = "torch sees no GPU" if torch.version.cuda else "this torch is built for CPU only"
        raise ConfigError(f"Device {str(device)!r} was asked for, and {built}. Use --device auto or --device cpu.")
    if (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"Device {str(device)!r} was asked for, and there are {torch.cuda.device_count()} GPUs.")


def has_native_bf16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 itself: Ampere and later, AVX512-BF16, AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def resolve_precision(name: Precision, device: torch.device, *, mixed: bool = True) -> ResolvedPrecision:
    """The precision called `name`; `auto` is bf16 where it is native and `mixed` training is meant, else fp32.

    Raises:
        ConfigError: the device cannot compute in it.
    """
    if name == "auto":
        return "bf16" if mixed and has_native_bf16(device) else "fp32"
    if name == "tf32" and device.type != "cuda":
        raise ConfigError(f"Precision 'tf32' exists on CUDA only, and the device is {device.type}. Use fp32.")
    if name == "fp64" and device.type == "mps":
        raise ConfigError("Precision 'fp64' does not exist on mps. Use fp32, or --device cpu.")
    return name


def resolve_runtime(device: str, precision: Precision, *, mixed: bool = True, float64: bool = False) -> Runtime:
    """Device and precision together, as `--device` and `--precision` name them."""
    found = resolve_device(device, float64=float64)
    return Runtime(found, resolve_precision(precision, found, mixed=mixed))


def describe_device(device: torch.device) -> str:
    """The device with its hardware's name, such as `cuda:0 (NVIDIA H100)` or `cpu (2 threads)`."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)" if device.type == "cpu" else str(device)
