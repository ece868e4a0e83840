# SPDX-License-Identifier: Apache-2.0
"""Measuring by the protocol of bench/worker.mjs, for the peers in Python."""
import json
import resource
import sys
import time


class Meter:
    """Times bursts of `step()`; `wait(result)` waits until the last result of a burst is there."""

    def __init__(self, step, batch, wait):
        self.step, self.batch, self.wait = step, batch, wait
        # Seconds of one step as far as known: the queue is waited for about ten times a second.
        self.known = None

    def measure(self, seconds):
        begin = time.perf_counter()
        steps, elapsed = 0, 0.0
        while True:
            burst = 1 if self.known is None else max(1, min(1000, int(0.1 / self.known)))
            for _ in range(burst):
                result = self.step()
            self.wait(result)
            steps += burst
            elapsed = time.perf_counter() - begin
            self.known = elapsed / steps
            if elapsed >= seconds:
                break
        return {"steps": steps, "secondsPerStep": elapsed / steps, "imagesPerSecond": self.batch * steps / elapsed}

    def warm_up(self, at_most=float("inf")):
        """A first step, which prepares much that later ones find ready, and more if it took less than so many seconds."""
        if self.measure(0)["secondsPerStep"] < at_most:
            self.known = None
            self.measure(0.3)

    def serve(self, ready, more=dict):
        """Says `ready`, then answers each line of stdin; `more()` gives what else an answer holds."""
        print(json.dumps({"ready": True, **ready}), flush=True)
        for line in sys.stdin:
            result = self.measure(float(line))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            print(json.dumps({**result, "peakBytes": peak, **more()}), flush=True)
