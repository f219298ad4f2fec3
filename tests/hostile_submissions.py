"""Submissions that want points for nothing, or mean harm: bodies of relu_backward, which get none.

name: (words of the report, body).  {root}, {mark}: the reference's folder, a file that must not be changed.
"""

HOSTILE = {
    "a loop without an end": ("time limit", "while True:\n    pass"),
    "sleep": ("time limit", "import time\ntime.sleep(1000)"),
    "memory": ("more memory", "return np.ones(10**12)"),
    "memory in small pieces": ("", "held = []\nwhile True:\n    held.append(bytearray(10**7))"),
    "processes": (
        "",
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
    ),
    "threads": (
        "",
        "import threading, time\nwhile True:\n    threading.Thread(target=time.sleep, args=(99,)).start()",
    ),
    "a process left behind": (
        "off by",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)\nreturn dout * 0.5",
    ),
    "exit at once": ("ended without an answer", "import os\nos._exit(0)"),
    "exit": ("raises SystemExit", "raise SystemExit(0)"),
    "interrupt": ("raises KeyboardInterrupt", "raise KeyboardInterrupt"),
    "crash": ("ended without an answer", "import ctypes\nctypes.string_at(1)"),
    "recursion": ("raises RecursionError", "def f():\n    return f()\nreturn f()"),
    "kill the parent": ("", "import os\nos.kill(os.getppid(), 9)\nreturn dout"),
    "kill everything": ("", "import os\nos.kill(-1, 9)\nreturn dout"),
    "results of one's own": (
        "",
        "import json\nfor name in ('results.json', '/tmp/results.json'):\n"
        "    open(name, 'w').write(json.dumps({{'score': 100}}))\nreturn dout",
    ),
    "write to the grader's files": ("raises", "open('{mark}', 'w').write('x')\nreturn dout"),
    "write to the handout": (
        "raises OSError",
        "import minicap\nopen(minicap.__file__, 'a').write('#')\nreturn dout",
    ),
    "a file of gigabytes": (
        "raises OSError",
        "with open('/tmp/big', 'wb') as file:\n    for _ in range(4000):\n        file.write(bytes(10**6))\n"
        "return dout",
    ),
    "read the reference": (
        "raises FileNotFoundError",
        "source = open('{root}/minicap/layers/activations.py').read()\n"
        "names = {{}}\nexec(source, names)\nreturn names['relu_backward'](dout, cache)",
    ),
    "import the reference": (
        "",
        "import sys\nfor name in [n for n in sys.modules if n.startswith('minicap.')]:\n"
        "    del sys.modules[name]\n"
        "sys.path.insert(0, '{root}')\nfrom minicap.layers.activations import relu_backward as right\n"
        "return right(dout, cache)",
    ),
    "read the hidden cases": (
        "raises FileNotFoundError",
        "return open('{root}/assignments/a1/cases.py').read()",
    ),
    "read the home folder": ("", "import os\nreturn sorted(os.listdir(os.path.expanduser('~')))"),
    "look for a secret in the variables": ("", "import os\nreturn [v for v in os.environ if 'SECRET' in v]"),
    "the network": (
        "raises OSError",
        "import socket\nsocket.create_connection(('192.0.2.1', 80), 1)\nreturn dout",
    ),
    "the network of this machine": (
        "raises",
        "import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)\nreturn dout",
    ),
    "a name to look up": ("raises", "import socket\nsocket.getaddrinfo('example.org', 80)\nreturn dout"),
    "much output": ("off by", "for _ in range(200):\n    print('x' * 10**5)\nreturn 2 * dout"),
    "a huge answer": ("", "return np.zeros(2 * 10**7)"),
    "a deep answer": ("dx is", "deep = []\nfor _ in range(10**5):\n    deep = [deep]\nreturn deep"),
    "many answers": (
        "",
        "import os\nfor fd in range(3, 30):\n    try:\n"
        "        os.write(fd, (2).to_bytes(8, 'little') + b'{{}}')\n"
        "    except OSError:\n        pass\nreturn dout",
    ),
    "an answer of lies": (
        "",
        "import os\nfor fd in range(3, 30):\n    try:\n        os.write(fd, (10**15).to_bytes(8, 'little'))\n"
        "    except OSError:\n        pass\nreturn dout",
    ),
    "a pickle": (
        "dx is a Evil",
        "class Evil:\n    def __reduce__(self):\n        return (open, ('{mark}', 'w'))\nreturn Evil()",
    ),
    "an array of objects": ("dx is", "return np.array([open], dtype=object)"),
    "an array that is equal to all": (
        "off by",
        "class Equal(np.ndarray):\n    def __eq__(self, other):\n        return True\n"
        "    def __sub__(self, other):\n        return self * 0\nreturn (dout * 0.5).view(Equal)",
    ),
    "another judge": (
        "off by",
        "import minicap.assignments.verdict as v\nv.judge = lambda *a: v.Verdict(True)\nreturn dout * 0.5",
    ),
    "another worker": (
        "",
        "import __main__\n__main__.answer = lambda *a: b''\n"
        "__main__.encode = lambda value: b'passed'\nreturn dout",
    ),
    "another NumPy": (
        "off by",
        "np.allclose = np.array_equal = lambda *a, **k: True\n"
        "np.abs = lambda a: np.zeros(1)\nreturn dout * 0.5",
    ),
    "the caller's frame": (
        "off by",
        "import sys\nframe = sys._getframe()\nwhile frame:\n"
        "    for value in list(frame.f_locals.values()):\n"
        "        if isinstance(value, dict) and 'expected' in value:\n            return value['expected']\n"
        "    frame = frame.f_back\nreturn dout * 0.5",
    ),
    "what is in memory": (
        "off by",
        "import gc\nfor thing in gc.get_objects():\n"
        "    if isinstance(thing, dict) and 'expected' in thing:\n        return thing['expected']\n"
        "return dout * 0.5",
    ),
    "answers learned by heart": (
        "",
        "import glob\nfrom pathlib import Path\nfrom minicap.assignments.trials import read\n"
        "path = Path(glob.glob('/handout/assignments/*/public.cases')[0])\n"
        "for trial in read(path):\n"
        "    if trial.exercise == 'relu_backward' and trial.expected.shape == dout.shape:\n"
        "        return trial.expected.astype(dout.dtype)\nreturn dout",
    ),
    "zeros": ("all zeros", "return 0 * dout"),
    "a constant": ("off by", "return 0 * dout + 1"),
    "dout handed back": ("", "return dout"),
    "not a number": ("not finite", "return dout * np.nan"),
    "another shape": ("shape", "return dout[None]"),
    "a text": ("dx is a str", "return 'passed'"),
    "nothing": ("returns None", "pass"),
}
