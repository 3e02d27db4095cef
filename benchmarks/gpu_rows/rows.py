"""All rows of the benchmark. Add a model's row here."""

from gpu_rows.diffusion import DiffusionSamples, TrainedDiffusion
from gpu_rows.gan import DefaultDCGAN, TutorialDCGAN
from gpu_rows.gmm import GMM
from gpu_rows.gpt import LargeGPT
from gpu_rows.metrics import MMD, Frechet, Neighbors
from gpu_rows.row import Bar, Row
from gpu_rows.vae import DefaultVAE

ROWS: tuple[Row, ...] = (
    Frechet(name="frechet-50k", seconds=10),
    GMM(
        name="gmm-full-100k",
        seconds=25,
        bars=(Bar("figure", 0.15),),
        covariance="full",
        rows=100_000,
        columns=32,
        components=16,
        chunks=4,
    ),
    GMM(
        name="gmm-diagonal-1m",
        seconds=35,
        bars=(Bar("figure", 0.3),),
        covariance="diagonal",
        rows=1_000_000,
        columns=64,
        components=64,
        chunks=16,
    ),
    DefaultVAE(name="vae-512", seconds=50, bars=(Bar("figure", 600_000),), batch=512, short_batch=32),
    TutorialDCGAN(
        name="dcgan-tutorial-256",
        seconds=55,
        bars=(Bar("figure", 150_000), Bar("eager", 4)),
        batch=256,
        short_batch=4,
    ),
    DefaultDCGAN(name="dcgan-64x64", seconds=58, shape=(3, 64, 64), batch=64, short_batch=2, rows=20_000),
    TutorialDCGAN(name="dcgan-tutorial-4096", seconds=60, bars=(Bar("figure", 480_000),), batch=4096, short_batch=8),
    MMD(name="mmd-50k", seconds=60),
    DiffusionSamples(name="diffusion-samples", seconds=60, bars=(Bar("figure", 5000),), batch=1000, short_batch=2),
    TrainedDiffusion(name="diffusion-512", seconds=65, batch=512, short_batch=4),
    LargeGPT(name="gpt-124m", seconds=90, bars=(Bar("figure", 350_000),), batch=32, short_batch=2, most_steps=50),
    Neighbors(name="neighbors-50k", seconds=75),
)
"""All rows; the command orders them by their expected seconds."""
