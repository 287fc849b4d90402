import concurrent.futures
import multiprocessing
import os
import signal
import sys
import types

pass  # import

NAMES = []
EXTENSIONS = []

# include use


def work(_number):
    return len(use(NAMES))


if __name__ == "__main__":
    made = use(NAMES)
    context = multiprocessing.get_context("fork")
    pool = concurrent.futures.ProcessPoolExecutor(2, mp_context=context)
    try:
        list(pool.map(work, range(4), timeout=20))
    except concurrent.futures.TimeoutError:
        print("hangs: a worker of multiprocessing", flush=True)
        for pid in list(pool._processes):
            os.kill(pid, signal.SIGABRT)
        os._exit(1)
    pool.shutdown()
