"""A strict stand-in for CuPy on the CPU: what runs on it runs on a GPU, and what it costs there is counted.

Its arrays hold NumPy arrays but are none, and do only what CuPy's recorded interface offers.  Refused are
  host arrays and lists where device arrays belong, NumPy functions on device arrays, and iteration,
  names, methods and keywords that CuPy lacks,
  an index out of range (CuPy wraps it), or one that meets twice in an assignment (CuPy leaves it open).
Counted are kernel launches, waits for the device, copies to and from it, copies behind the scenes, and
operations whose result may differ from run to run.  Memory from `empty` holds NaN until it is written.
On a stream of one's own, arrays are refused before they have arrived, and memory before it is free again.
There are two devices, and only arrays of the thread's current one can be worked with.
Dtypes are those of NumPy 2, whose promotion CuPy 14 shares.
"""

from strict_cupy.array import StrictArray
from strict_cupy.backend import strict_cupy_backend
from strict_cupy.counts import Counts, counting
from strict_cupy.devices import Device
from strict_cupy.errors import StrictError
from strict_cupy.namespace import xp
from strict_cupy.streams import Stream, current_stream

__all__ = [
    "Counts",
    "Device",
    "Stream",
    "StrictArray",
    "StrictError",
    "counting",
    "current_stream",
    "strict_cupy_backend",
    "xp",
]
