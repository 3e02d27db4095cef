"""Device and precision of a run, resolved once and then stored with the run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from genzoo.config.run_config import Precision, ResolvedPrecision
from genzoo.errors import ConfigError
from genzoo.text import counted
from genzoo.wording import argument

_AUTOCAST: dict[str, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Runtime:
    """A device, and the precision of gradient training on it."""

    device: torch.device
    precision: ResolvedPrecision

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of parameters and events."""
        return torch.float64 if self.precision == "fp64" else torch.float32

    @property
    def wide(self) -> torch.dtype:
        """The widest floating-point dtype of the device, for computations that must not round."""
        return widest(self.device)

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        """Run a forward pass in mixed precision; does nothing for fp64, fp32 and tf32."""
        dtype = _AUTOCAST.get(self.precision)
        if dtype is None:
            yield
            return
        with torch.autocast(self.device.type, dtype):
            yield

    @contextlib.contextmanager
    def matmul(self) -> Iterator[None]:
        """Multiply matrices in TensorFloat-32 if the precision is tf32, else in full fp32; restored afterwards."""
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if self.precision == "tf32" else "highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)


def full_precision(x: Tensor) -> contextlib.AbstractContextManager[None]:
    """Switch autocast off on the device of `x`, for computations that must not round, such as double backward."""
    # A device without autocast, such as meta, has nothing to switch off. If it is off already, switching it costs time.
    if x.is_meta or not torch.is_autocast_enabled(x.device.type):
        return contextlib.nullcontext()
    return torch.autocast(x.device.type, enabled=False)


def quick_precision(x: Tensor) -> contextlib.AbstractContextManager[None]:
    """Switch autocast to bfloat16 on if `x` is float32 and its device multiplies bfloat16 itself.

    It is for computations outside of training that may round, such as networks of samplers. Elsewhere nothing changes.
    """
    if x.dtype != torch.float32 or not has_native_bf16(x.device):
        return contextlib.nullcontext()
    return torch.autocast(x.device.type, torch.bfloat16)


def widest(device: torch.device) -> torch.dtype:
    """Return the widest floating-point dtype that a device computes in."""
    return torch.float32 if device.type == "mps" else torch.float64


def resolve_device(name: str, *, float64: bool = False) -> torch.device:
    """Return the device with this name; `auto` is the first of cuda, mps and cpu that this machine has.

    Arguments:
        float64: whether the device must compute in float64, which mps cannot.

    Raises:
        ConfigError: there is no such device, or this machine lacks it.
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
        raise ConfigError(f"genzoo does not run on device {name!r}. Use auto, cpu, cuda, cuda:N or mps.")
    if device.type == "cuda":
        _check_cuda(device)
    if device.type == "mps" and float64:
        raise ConfigError(
            f"This model computes in float64, which mps does not have. Use {argument('device', 'auto')} or "
            f"{argument('device', 'cpu')}."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(
            f"Device {name!r} is not available on this machine. Use {argument('device', 'auto')} or "
            f"{argument('device', 'cpu')}."
        )
    return device


def _check_cuda(device: torch.device) -> None:
    if not torch.cuda.is_available():
        built = "torch sees no GPU" if torch.version.cuda else "this torch is built for CPU only"
        raise ConfigError(
            f"Device {str(device)!r} is not available: {built}. Use {argument('device', 'auto')} or "
            f"{argument('device', 'cpu')}."
        )
    if (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"Device {str(device)!r} is not available: the number of GPUs is {torch.cuda.device_count()}."
        )


def has_native_bf16(device: torch.device) -> bool:
    """Check whether the hardware multiplies bfloat16 itself: Ampere and later, AVX512-BF16, AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    # torch 2.6 does not say.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def resolve_precision(name: Precision, device: torch.device, *, mixed: bool = True) -> ResolvedPrecision:
    """Return the precision with this name; `auto` is bf16 if the device has it natively, else fp32.

    Arguments:
        mixed: whether training uses mixed precision. If not, `auto` is fp32.

    Raises:
        ConfigError: the device cannot compute in this precision.
    """
    if name == "auto":
        return "bf16" if mixed and has_native_bf16(device) else "fp32"
    if name == "tf32" and device.type != "cuda":
        raise ConfigError(f"Precision 'tf32' exists only on CUDA, and the device is {device.type}. Use fp32.")
    if name == "fp64" and device.type == "mps":
        raise ConfigError(f"Precision 'fp64' does not exist on mps. Use fp32, or {argument('device', 'cpu')}.")
    return name


def resolve_runtime(device: str, precision: Precision, *, mixed: bool = True, float64: bool = False) -> Runtime:
    """Resolve device and precision together, as `--device` and `--precision` name them."""
    resolved = resolve_device(device, float64=float64)
    return Runtime(resolved, resolve_precision(precision, resolved, mixed=mixed))


def describe_device(device: torch.device) -> str:
    """Name a device with its hardware, such as `cuda:0 (NVIDIA H100)` or `cpu (2 threads)`."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({counted(torch.get_num_threads(), 'thread')})" if device.type == "cpu" else str(device)
