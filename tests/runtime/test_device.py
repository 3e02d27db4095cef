import pytest
import torch

from genzoo.errors import ConfigError
from genzoo.runtime.device import Runtime, has_native_bf16, resolve_device, resolve_precision, resolve_runtime

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check

no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@no_cuda
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_a_missing_gpu_is_an_error_and_never_a_silent_cpu_run(name):
    with pytest.raises(ConfigError, match="--device cpu"):
        resolve_device(name)


@pytest.mark.parametrize("name", ["gpu", "", "cpu:x", "xpu"])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(ConfigError):
        resolve_device(name)


def test_auto_precision_is_bf16_only_where_it_is_native(monkeypatch):
    cpu = torch.device("cpu")
    for found, expected in (({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx2": True}, "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=found: found)
        assert resolve_precision("auto", cpu) == expected
        assert has_native_bf16(cpu) == (expected == "bf16")
        assert resolve_precision("auto", cpu, mixed=False) == "fp32"


def test_a_torch_that_knows_no_capabilities_trains_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert resolve_precision("auto", torch.device("cpu")) == "fp32"


def test_precisions_that_a_device_lacks_are_refused():
    with pytest.raises(ConfigError, match="tf32"):
        resolve_runtime("cpu", "tf32")


def test_autocast_computes_in_the_precision_asked_for():
    a = torch.ones(4, 4)
    for precision, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32)):
        with Runtime(torch.device("cpu"), precision).autocast():
            assert (a @ a).dtype == dtype
    assert Runtime(torch.device("cpu"), "fp64").dtype == torch.float64


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_auto_takes_the_gpu():
    assert resolve_device("auto").type == "cuda"
