import cProfile, pstats, genzoo, time

run = genzoo.open_run("/tmp/stream/run") if hasattr(genzoo, "open_run") else None
f = genzoo.load("/tmp/stream/run")
import pyarrow.parquet as pq, numpy as np

t = pq.read_table("/tmp/stream/one.parquet").slice(0, 200_000)
x = np.stack([c.to_numpy() for c in t.columns], 1)
print(x.dtype)
f.log_prob(x[:4096])
b = time.perf_counter()
for s in range(0, len(x), 4096):
    f.log_prob(x[s : s + 4096])
print(time.perf_counter() - b)
p = cProfile.Profile()
p.enable()
for s in range(0, len(x), 4096):
    f.log_prob(x[s : s + 4096])
p.disable()
pstats.Stats(p).sort_stats("tottime").print_stats(25)
import torch
from genzoo.inference import data_units

vals = {}
for c in (512, 1024, 2048, 4096):
    data_units.CHUNK = c
