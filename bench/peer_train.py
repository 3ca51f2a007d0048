# SPDX-License-Identifier: Apache-2.0
"""PyTorch on what bench_train.c trains: the same network, data, batches, dropout and validation,
one thread. Usage: peer_train.py FILE, as bench-train FILE wrote it."""
import statistics
import sys
import time

try:
    import torch
except ImportError:
    sys.exit("peer_train: PyTorch is not installed (Debian: python3-torch); its row is left out")

N, TRAIN, EPOCHS, BATCH, DROPOUT, RUNS = 21, 1900, 100, 32, 0.1, 3


def network():
    widths = [N, 14, 8, 4, 8, 14, N]
    layers = []
    for a, b in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    layers[-1] = torch.nn.Sigmoid()
    return torch.nn.Sequential(*layers)


def train(rows):
    data, held = rows[:TRAIN], rows[TRAIN:]
    net = network()
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    mse = torch.nn.MSELoss()
    best, best_state = float("inf"), None
    for _ in range(EPOCHS):
        order = torch.randperm(TRAIN)
        for at in range(0, TRAIN, BATCH):
            z = data[order[at : at + BATCH]]
            x = torch.where(torch.rand(z.shape) < DROPOUT, 0.5, z)
            adam.zero_grad()
            mse(net(x), z).backward()
            adam.step()
        with torch.no_grad():
            error = mse(net(held), held).item()
        if error < best:
            best, best_state = error, {k: v.clone() for k, v in net.state_dict().items()}
    net.load_state_dict(best_state)
    return best


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    with open(sys.argv[1], "rb") as f:
        rows = torch.frombuffer(bytearray(f.read()), dtype=torch.float32).reshape(-1, N)
    train(rows[: TRAIN + 10])  # warm up
    seconds = []
    for _ in range(RUNS):
        start = time.thread_time()
        error = train(rows)
        seconds.append(time.thread_time() - start)
    print(f"train, PyTorch {torch.__version__}\t{statistics.median(seconds):.4g}\ts")
    print(f"train, PyTorch's validation error\t{error:.4g}\tmse")


main()
