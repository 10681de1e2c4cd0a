# Pools of processes.
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor
def square(x): return x * x
if __name__ == '__main__':
    ctx = mp.get_context('fork')
    with ctx.Pool(3) as pool: print(pool.map(square, range(20)))
    with ProcessPoolExecutor(2, mp_context=ctx) as ex: print(list(ex.map(square, range(5))))
