"""`make bench`: what a run costs, against the plainest download of the same image, as ratios in one run.

The simulated pool runs in a process of its own, over HTTPS. Each figure is the median of the rounds; the download is
`curl -o`, which checks nothing. Memory is the peak of the run's own process.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import XenAPI
from benchmarks.pools import pool_in_its_own_process
from tests.integration.world import World, command, job

from vmbackup.simulator import DiskSpec

MIB = 1 << 20
GIB = 1 << 30
WAYS = {
    "vm-export": "",
    "vm-export, zstd in the stream": 'compress = { with = "zstd" }',
    "vm-export, zstd by the host": 'compress = { with = "zstd", when = "host" }',
    "vdi-export, raw": 'method = "vdi-export"',
}


def run_once(world: World) -> tuple[float, float, float]:
    """Run the job; return wall seconds, CPU seconds and peak memory in MiB of its process."""
    started = time.monotonic()
    process = subprocess.Popen(command("run", "test"), env=world.environ(), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit("the run failed; try it by hand")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def download(world: World, vm: str, out: Path) -> float:
    """Stream the same VM into a file with no check at all; return wall seconds."""
    session = XenAPI.Session(world.pool.url, ignore_ssl=True)
    session.xenapi.login_with_password(world.pool.username, world.pool.password, "1.0", "bench")
    ref = session.xenapi.VM.get_by_name_label(vm)[0]
    url = f"/export?session_id={session.handle}&ref={ref}"
    started = time.monotonic()
    subprocess.run(["curl", "-sk", "--http1.1", "-o", str(out), f"{world.pool.url}{url}"], check=True)
    seconds = time.monotonic() - started
    session.xenapi.session.logout()
    out.unlink()
    return seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB of data in the disk")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--virtual", type=int, default=20, help="GiB of virtual size for the memory figure")
    parser.add_argument("--dir", type=Path, default=None)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=arguments.dir) as name:
        folder = Path(name)
        with pool_in_its_own_process(folder, DiskSpec(arguments.size * MIB, seed=1, fill=1.0)) as pool:
            world = pool.world
            world.configure(job("big", keep=1))
            world.init_target()
            for way, more in WAYS.items():
                world.configure(job("big", keep=1, more=more))
                pairs = [(download(world, "big", folder / "plain"), *run_once(world)) for _ in range(arguments.rounds)]
                ratio = statistics.median(plain / seconds for plain, seconds, _, _ in pairs)
                rate = statistics.median(arguments.size / seconds for _, seconds, _, _ in pairs)
                cpu = statistics.median(cpu for _, _, cpu, _ in pairs) * 1024 / arguments.size
                rows.append((way, rate, ratio, cpu, max(peak for *_, peak in pairs)))
    with tempfile.TemporaryDirectory(dir=arguments.dir) as name:
        folder = Path(name)
        with pool_in_its_own_process(folder, DiskSpec(arguments.virtual * GIB, seed=1, fill=0.02)) as pool:
            world = pool.world
            world.configure(job("big", keep=1))
            world.init_target()
            _, cpu, peak = run_once(world)
            rows.append((f"vm-export, {arguments.virtual} GiB virtual, 2 % data", 0.0, 0.0, cpu, peak))
    print(f"{'way':<40} {'MiB/s':>8} {'of plain download':>18} {'CPU s/GiB':>10} {'peak MiB':>9}")
    for way, rate, ratio, cpu, peak in rows:
        print(f"{way:<40} {rate:>8.0f} {ratio:>18.2f} {cpu:>10.2f} {peak:>9.0f}")


if __name__ == "__main__":
    main()
